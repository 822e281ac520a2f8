"""A look at how fast a training really is: where its steps were timed in a busy moment, most of the budget is left."""

from __future__ import annotations

import time

from ..lightning import Callback, LightningModule, Trainer
from .plan import Plan
from .setup import LOOP

MORE = 2  # times as many steps as planned must fit into the time that is left, for what was learned is lost


class PaceError(Exception):
    """The training is so much faster than planned that another plan is worth what was learned so far."""


class PaceWatch(Callback):
    """Raises `PaceError` where so much time is left that a training begun anew would have far more steps."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.planned_s = plan, plan.steps * plan.step_s * LOOP + plan.rounds * plan.look_s
        self._started = self._last = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the watch."""
        self._started = self._last = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare all that was planned with what fits into the time that is left."""
        now = time.monotonic()
        round_s, self._last = now - self._last, now
        left_s = self.planned_s - (now - self._started)
        if left_s > MORE * self.plan.rounds * round_s:
            raise PaceError(
                f"a step takes {round_s / self.plan.steps_per_round:.2f} s and was planned to take "
                f"{self.plan.step_s:.2f} s: the machine was busy when it was timed"
            )
