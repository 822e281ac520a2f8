"""How the weights of a training are chosen on the tune part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sononerve.data.module import Batch
from sononerve.losses import DiceCrossEntropy
from sononerve.models.output import Output, SegmentationModel
from sononerve.train.config import OptimiserConfig
from sononerve.train.task import Supervised

LABELS = torch.zeros(4, 6, 6, dtype=torch.long)
LABELS[:2, 1:3, 1:3] = 1  # a nerve in two of four frames
EXACT = torch.where(LABELS == 1, 9.0, -9.0)[:, None]


class Answers(SegmentationModel):
    """Answers what it was told to."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, frames: Tensor) -> Output:
        return Output(logits=self.logits)


def look(logits: Tensor, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """The score that chooses the weights, and the Dice that is shown."""
    task = Supervised(Answers(logits), DiceCrossEntropy(), OptimiserConfig(), 1, 0, ("nerve",))
    logged: dict[str, float] = {}
    monkeypatch.setattr(task, "log", lambda name, value: logged.update({name: float(value)}))
    task.on_validation_epoch_start()
    task.validation_step(Batch(torch.zeros(4, 1, 6, 6), LABELS), 0)
    task.on_validation_epoch_end()
    return logged["tune_score"], task.scores["nerve"]


def test_exact_masks_and_silence_score_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(EXACT, monkeypatch) == (1.0, 1.0)


@pytest.mark.parametrize("marked", [1, 2])
def test_a_mark_in_an_empty_frame_costs_score_and_no_dice(marked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = EXACT.clone()
    logits[2 : 2 + marked, 0, 5, 5] = 9
    assert look(logits, monkeypatch) == (1 - marked / 4, 1.0)


def test_silence_everywhere_earns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(torch.full_like(EXACT, -9), monkeypatch) == (0.0, 0.0)
