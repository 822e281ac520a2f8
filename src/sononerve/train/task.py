"""Supervised training of one network: loss, running score, optimiser, and a stop with the reason on bad numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..data.module import Batch
from ..errors import TrainingError
from ..lightning import LightningModule, OptimizerLRScheduler
from ..models.output import Output, SegmentationModel, with_background
from .config import OptimiserConfig


class Supervised(LightningModule):
    """Trains ``model`` with ``loss`` for ``steps`` steps.

    ``scores``: after each look at the tune part, the mean Dice of each class over the frames that hold it. What is
    logged as ``tune_score``, and chooses the weights, is the mean over all frames and classes, where a frame without
    the class counts 1 if nothing is marked in it and 0 if anything is: Kaggle's metric for this task. A class that no
    frame of the tune part holds does not count, and one that is found in none of the frames that hold it scores 0: of
    many empty frames a network that is still silent would else be the best, and stop the training.

    ``columns``: what is logged per step beside the loss, and has a column in the run's log.
    """

    columns: tuple[str, ...] = ()

    def __init__(
        self,
        model: SegmentationModel,
        loss: nn.Module,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        classes: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.model, self.loss, self.optimiser, self.steps, self.seed, self.classes = (
            model,
            loss,
            optimiser,
            steps,
            seed,
            classes,
        )
        self.scores: dict[str, float] = {}
        self._dice: list[Tensor] = []
        self._silence: list[Tensor] = []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed what is random inside the network by the step, so that a resumed training draws the same; thaw it."""
        torch.manual_seed(self.seed * 1_000_003 + self.global_step * 1_009 + self.global_rank)
        self.model.thaw(self.global_step / self.steps)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; raise `TrainingError` where it is not a number."""
        return self.supervised(batch)[1]

    def supervised(self, batch: Batch) -> tuple[Output, Tensor]:
        """The network's answer and its loss, logged; raise `TrainingError` where that is not a number."""
        output = self.model(*batch.inputs)
        loss: Tensor = self.loss(output, batch.labels)
        if not torch.isfinite(loss):
            raise TrainingError(self._reason(batch, output, loss))
        self.log("loss", loss, on_step=True, prog_bar=False)
        return output, loss

    def _reason(self, batch: Batch, output: Output, loss: Tensor) -> str:
        rate = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]
        if not torch.isfinite(batch.frames).all():
            cause, fix = "a frame holds values that are not numbers", "look at the data with 'sononerve show-augment'"
        elif not torch.isfinite(output.logits).all():
            cause, fix = "the network's answer is not finite: the weights grew without bound", "lower --learning-rate"
        else:
            cause, fix = (
                "the network's answer is finite but the loss is not",
                "use --precision 32 or lower --learning-rate",
            )
        return f"step {self.global_step}: the loss is {loss.item()}; {cause} (learning rate {rate:.2g}); {fix}"

    def on_validation_epoch_start(self) -> None:
        """Start a new look at the tune part."""
        self._dice, self._silence = [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the Dice of each frame and class of the tune part, and where nothing was marked."""
        logits = self.model(*batch.inputs).logits.float()
        self._dice.append(dice_per_frame(logits, batch.labels))
        self._silence.append(silent_per_frame(logits))

    def on_validation_epoch_end(self) -> None:
        """Average over the frames that hold a class."""
        dice = torch.cat(self._dice)
        means = [float(column[~column.isnan()].mean()) for column in dice.T]
        self.scores = dict(zip(self.classes, means, strict=True))
        score = torch.where(dice.isnan(), torch.cat(self._silence).float(), dice)
        held, found = ~dice.isnan().all(0), (dice > 0).any(0)
        self.log("tune_score", (score.mean(0) * found)[held].mean() if held.any() else torch.tensor(0.0))

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What the optimiser moves, by name."""
        return self.named_parameters()

    def _groups(self) -> list[dict[str, object]]:
        """Parameters by their learning rate, those with the whole rate first."""
        factors = {f"model.{name}": factor for name, factor in self.model.learning_rates().items()}
        groups: dict[float, list[nn.Parameter]] = {1.0: []}
        for name, parameter in self.trained_parameters():
            groups.setdefault(factors.get(name, 1.0), []).append(parameter)
        rate = self.optimiser.learning_rate
        return [{"params": found, "lr": factor * rate} for factor, found in groups.items() if found]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the rate rises over the warm-up and falls as a cosine, by step."""
        settings = self.optimiser
        optimizer = torch.optim.AdamW(self._groups(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        warm = max(1, round(settings.warmup * self.steps))

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, self.steps - warm))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def dice_per_frame(logits: Float[Tensor, "n c h w"], labels: Int[Tensor, "n h w"]) -> Float[Tensor, "n c"]:
    """Dice of the most likely label per frame and class on the canvas; nan where the frame does not hold the class."""
    found = with_background(logits).argmax(1)
    columns = []
    for label in range(1, logits.shape[1] + 1):
        truth, predicted = labels == label, found == label
        overlap = (truth & predicted).sum((1, 2)).float()
        total = (truth.sum((1, 2)) + predicted.sum((1, 2))).float()
        columns.append(torch.where(truth.any(2).any(1), 2 * overlap / total, torch.nan))
    return torch.stack(columns, dim=1)


def silent_per_frame(logits: Float[Tensor, "n c h w"]) -> Bool[Tensor, "n c"]:
    """Whether no pixel of a class is the most likely label anywhere in a frame, per frame and class."""
    found = with_background(logits).argmax(1)
    return torch.stack([(found != label).flatten(1).all(1) for label in range(1, logits.shape[1] + 1)], dim=1)
