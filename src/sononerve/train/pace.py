"""A look at how fast a training really is: where its steps were timed in a busy moment, most of the budget is left."""

from __future__ import annotations

import time

from ..lightning import Callback, LightningModule, Trainer
from .plan import Plan
from .setup import LOOP

UNUSED = 0.5  # of the time that is left: what a plan may leave before it is made again


class PaceError(Exception):
    """The training is so much faster than planned that another plan is worth what was learned so far."""


class PaceWatch(Callback):
    """Raises `PaceError` where the rest of the steps will leave half of the rest of the time unused.

    Only in the first half of the training's time: later there is more to lose.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.planned_s = plan, plan.steps * plan.step_s * LOOP + plan.rounds * plan.look_s
        self._started = self._last = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the watch."""
        self._started = self._last = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare what is left to do with what is left of the time."""
        now = time.monotonic()
        round_s, self._last = now - self._last, now
        left_s = self.planned_s - (now - self._started)
        needed_s = (self.plan.rounds - trainer.current_epoch - 1) * round_s
        if left_s > self.planned_s / 2 and needed_s < (1 - UNUSED) * left_s:
            raise PaceError(
                f"a step takes {round_s / self.plan.steps_per_round:.2f} s and was planned to take "
                f"{self.plan.step_s:.2f} s: the machine was busy when it was timed"
            )
