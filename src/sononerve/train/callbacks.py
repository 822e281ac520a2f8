"""What happens around training steps: a saved state and a row in the log per round, and a live line for who waits."""

from __future__ import annotations

import csv
import functools
import io
import math
import time
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor

from ..data.module import FrameModule
from ..io.atomic import write_text
from ..lightning import Callback, EarlyStopping, LightningModule, Trainer, WeightAveraging
from ..progress import console, live, sparkline
from .task import Supervised

LAST, BEST, LOG = "last.safetensors", "best.safetensors", "log.csv"


class Averaging(WeightAveraging):
    """Exponential average of weights and buffers (BatchNorm's too), with which the tune part is looked at.

    The decay starts low and rises to ``decay``, so that a short training forgets its random start.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=True, multi_avg_fn=functools.partial(_average, decay))


def _average(decay: float, old: list[Tensor], new: list[Tensor], seen: Tensor | int) -> None:
    step = 1 - min(decay, (1 + int(seen)) / (10 + int(seen)))
    if old[0].is_floating_point():
        torch._foreach_lerp_(old, new, step)
    else:  # BatchNorm's count of batches: the average takes over the model's
        torch._foreach_copy_(old, new)


class StopEarly(EarlyStopping):
    """Stops after ``patience`` rounds without a better tune score; a run that has stopped stays so when resumed."""

    def __init__(self, patience: int) -> None:
        # Before the round's end, where the state is saved that must know of it.
        super().__init__("tune_score", mode="max", patience=patience, check_on_train_epoch_end=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stay stopped."""
        super().on_train_start(trainer, pl_module)
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class SaveState(Callback):
    """Saves the resume state after every round, and with ``keep_best`` the one with the best tune score beside it."""

    def __init__(self, folder: Path, keep_best: bool) -> None:
        self.folder, self.keep_best, self.best, self.best_step = folder, keep_best, -1.0, 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, atomically."""
        score = float(trainer.callback_metrics["tune_score"])
        better = score >= self.best  # the later one of equals: the last where no tune frame holds a class
        if better:
            self.best, self.best_step = score, trainer.global_step
        if self.keep_best and better:
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say which weights are the result."""
        if self.keep_best and trainer.is_global_zero:
            console.print(f"keep the weights of step {self.best_step}, tune score {self.best:.3f}")

    def state_dict(self) -> dict[str, float]:
        """The best score so far, and its step."""
        return {"best": self.best, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from the best score so far."""
        self.best, self.best_step = state_dict["best"], int(state_dict["best_step"])


class RunLog(Callback):
    """``log.csv``: a row per round with step, seconds, mean loss, rate, cores used and tune Dice per class.

    What a task's ``columns`` name is there too, averaged over the steps of the round that logged it, else empty.
    ``waiting`` is the share of the round's time in which no step was made because no batch was there, 0..1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._noted: dict[str, list[float]] = {}
        self._rows: list[dict[str, str]] = []
        self._started = 0.0
        self._round = (0.0, 0.0, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows of the rounds that a resumed training has behind it."""
        rows = list(csv.DictReader(io.StringIO(self.path.read_text()))) if self.path.is_file() else []
        self._rows = [row for row in rows if int(row["round"]) <= trainer.current_epoch]
        self._started = time.monotonic() - (float(self._rows[-1]["seconds"]) if self._rows else 0.0)
        self._round = self._clocks(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Note the loss, and what else the task logs."""
        columns = pl_module.columns if isinstance(pl_module, Supervised) else ()
        for name in ("loss", *columns):
            if name in trainer.callback_metrics:
                self._noted.setdefault(name, []).append(float(trainer.callback_metrics[name]))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the round's row, the whole file atomically."""
        if not isinstance(pl_module, Supervised) or not trainer.is_global_zero:
            return
        wall, cpu, waited = now = self._clocks(trainer)
        round_s = max(1e-9, wall - self._round[0])
        row = {
            "round": str(trainer.current_epoch + 1),
            "step": str(trainer.global_step),
            "seconds": f"{wall - self._started:.2f}",
            **{name: _mean(self._noted.get(name, [])) for name in ("loss", *pl_module.columns)},
            "learning_rate": f"{trainer.optimizers[0].param_groups[0]['lr']:.3g}",
            "cores": f"{(cpu - self._round[1]) / round_s:.2f}",
            "waiting": f"{(waited - self._round[2]) / round_s:.4f}",
        }
        row |= {f"tune_dice_{name}": f"{score:.4f}" for name, score in pl_module.scores.items()}
        self._noted, self._round = {}, now
        self._rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row))
        writer.writeheader()
        writer.writerows(self._rows)
        write_text(self.path, text.getvalue())

    @staticmethod
    def _clocks(trainer: Trainer) -> tuple[float, float, float]:
        """Seconds so far: of the wall, of the processor, and of waiting for batches."""
        data = getattr(trainer, "datamodule", None)
        return time.monotonic(), time.process_time(), data.waited_s if isinstance(data, FrameModule) else 0.0


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.4f}" if values else ""


class LiveLine(Callback):
    """The running loss and the curve of tune Dice beside a bar; without a terminal, one line per round."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._bars: Progress | None = None  # made where it is shown: a bar cannot go to another process
        self._curves: dict[str, list[float]] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        if trainer.is_global_zero:
            self._bars = live()
            self._bars.add_task("train", total=self.steps, note="")
            self._bars.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bars is not None:
            self._bars.update(
                self._bars.task_ids[0], completed=trainer.global_step, note=self._note(trainer, pl_module)
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the curves on; say a line where nobody sees a bar."""
        for name, score in pl_module.scores.items() if isinstance(pl_module, Supervised) else ():
            if not math.isnan(score):
                self._curves.setdefault(name, []).append(score)
        if trainer.is_global_zero and not console.is_terminal:
            console.print(f"train: step {trainer.global_step} of {self.steps}, {self._note(trainer, pl_module)}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away, so that the message stands alone."""
        self._stop()

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _note(self, trainer: Trainer, pl_module: LightningModule) -> str:
        loss = trainer.callback_metrics.get("loss", torch.tensor(float("nan")))
        scores = pl_module.scores if isinstance(pl_module, Supervised) else {}
        curves = {name: f" {sparkline(curve)}" for name, curve in self._curves.items() if console.is_terminal}
        dice = "".join(f", tune Dice {name} {score:.3f}{curves.get(name, '')}" for name, score in scores.items())
        return f"loss {float(loss):.3f}{dice}"
