"""Dice plus cross-entropy on hand-made logits."""

from __future__ import annotations

from math import log

import pytest
import torch

from sononerve.losses import DiceCrossEntropy
from sononerve.models.output import Output

SURE = 20.0


def labels_with_a_nerve() -> torch.Tensor:
    """Two frames ``(2, 8, 8)``: one with both classes, one with the first alone."""
    labels = torch.zeros(2, 8, 8, dtype=torch.int64)
    labels[:, 2:6, 2:4] = 1
    labels[0, 2:6, 5:7] = 2
    return labels


def sure_of(labels: torch.Tensor, classes: int = 2) -> torch.Tensor:
    """Logits that say these labels."""
    return torch.stack([torch.where(labels == k, SURE, -SURE) for k in range(1, classes + 1)], dim=1)


@pytest.mark.parametrize("batch", [False, True])
def test_a_perfect_answer_costs_nearly_nothing(batch: bool) -> None:
    labels = labels_with_a_nerve()
    assert DiceCrossEntropy(batch=batch)(Output(sure_of(labels)), labels) < 1e-3


@pytest.mark.parametrize("batch", [False, True])
def test_a_wrong_answer_costs_more_than_an_unsure_one(batch: bool) -> None:
    labels = labels_with_a_nerve()
    loss = DiceCrossEntropy(batch=batch)
    wrong = loss(Output(sure_of((labels + 1) % 3)), labels)
    assert wrong > loss(Output(torch.zeros(2, 2, 8, 8)), labels) > 0.5


def test_an_empty_mask_is_finite_and_rewards_an_empty_answer() -> None:
    labels = torch.zeros(2, 8, 8, dtype=torch.int64)
    loss = DiceCrossEntropy()
    right, wrong = (loss(Output(torch.full((2, 1, 8, 8), value)), labels) for value in (-SURE, SURE))
    assert right < 1e-3
    assert 1 < wrong < 100


def test_the_cross_entropy_is_the_mean_surprise_per_pixel() -> None:
    """Odds of 3 to 1 for the nerve: background pixels have 1/4, nerve pixels 3/4."""
    labels = torch.zeros(1, 2, 2, dtype=torch.int64)
    labels[0, 0, 0] = 1
    found = DiceCrossEntropy(dice=0.0)(Output(torch.full((1, 1, 2, 2), log(3.0))), labels)
    assert float(found) == pytest.approx((3 * log(4) + log(4 / 3)) / 4, rel=1e-5)


def test_the_dice_part_is_by_hand() -> None:
    """Probability 3/4 everywhere, one nerve pixel of four; one is added above and below."""
    labels = torch.zeros(1, 2, 2, dtype=torch.int64)
    labels[0, 0, 0] = 1
    found = DiceCrossEntropy(cross_entropy=0.0)(Output(torch.full((1, 1, 2, 2), log(3.0))), labels)
    assert float(found) == pytest.approx(1 - (2 * 0.75 + 1) / (3 + 1 + 1), rel=1e-5)


def test_coarser_levels_count_less_each() -> None:
    labels = labels_with_a_nerve()
    fine, half, quarter = (torch.zeros(2, 2, 8 // k, 8 // k) for k in (1, 2, 4))
    loss = DiceCrossEntropy(deeper=0.5)
    alone = loss(Output(fine), labels)
    first = loss(Output(half), labels[:, 1::2, 1::2])
    second = loss(Output(quarter), labels[:, 2::4, 2::4])
    together = loss(Output(fine, deeper=(half, quarter)), labels)
    torch.testing.assert_close(together, alone + 0.5 * first + 0.25 * second)


@pytest.mark.parametrize("stride", [4, 8])
def test_coarse_labels_lie_where_the_fine_ones_do(stride: int) -> None:
    """A square is best answered at a coarse level by the cells whose middles it holds, none to one side of them."""
    labels = torch.zeros(1, 64, 64, dtype=torch.int64)
    labels[:, 16:48, 16:48] = 1
    cells = 64 // stride
    middles = (torch.arange(cells) + 0.5) * stride
    inside = (middles > 16) & (middles < 48)
    right = torch.where(inside[:, None] & inside[None, :], SURE, -SURE)[None, None]
    loss = DiceCrossEntropy()
    fine = Output(sure_of(labels, 1))
    plain = loss(fine, labels)
    assert loss(Output(fine.logits, deeper=(right,)), labels) == pytest.approx(float(plain), abs=1e-3)
    for shift in (-1, 1):
        moved = right.roll(shift, dims=-1)
        assert loss(Output(fine.logits, deeper=(moved,)), labels) > plain + 0.1


def test_half_precision_logits_are_summed_in_full_precision() -> None:
    labels = torch.ones(1, 64, 64, dtype=torch.int64)
    found = DiceCrossEntropy()(Output(torch.full((1, 1, 64, 64), -60.0, dtype=torch.bfloat16)), labels)
    assert found.dtype == torch.float32
    assert torch.isfinite(found)
