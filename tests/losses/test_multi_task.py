"""The losses of the branches: against values worked out by hand, and added as the weighting says."""

from __future__ import annotations

from math import log

import pytest
import torch

from sononerve.losses import BoxLoss, DiceCrossEntropy, MultiTask, PresenceLoss
from sononerve.models.output import Output


def labels() -> torch.Tensor:
    """A frame with a nerve in its upper left quarter, and one without."""
    found = torch.zeros(2, 8, 8, dtype=torch.int64)
    found[0, :4, :4] = 1
    return found


def answer(presence: list[float], box: list[list[float]]) -> Output:
    """Undecided masks, and these heads."""
    return Output(torch.zeros(2, 1, 8, 8), torch.tensor(presence), torch.tensor(box))


RIGHT = [0.25, 0.25, 0.5, 0.5]


def test_presence_costs_what_a_coin_tells() -> None:
    found = PresenceLoss()(answer([0.0, 0.0], [RIGHT, RIGHT]), labels())
    assert found == pytest.approx(log(2))


def test_the_right_box_costs_nothing_whatever_is_said_of_the_frame_without() -> None:
    assert BoxLoss()(answer([0, 0], [RIGHT, [0.9, 0.9, 0.1, 0.1]]), labels()) == pytest.approx(0, abs=1e-6)


def test_a_box_beside_the_nerve_costs_by_distance_and_by_what_both_leave_empty() -> None:
    beside = [0.75, 0.25, 0.5, 0.5]  # moved by half the frame: no overlap, and their hull holds nothing else
    assert BoxLoss(l1=1, giou=0)(answer([0, 0], [beside, RIGHT]), labels()) == pytest.approx(0.5)
    assert BoxLoss(l1=0, giou=1)(answer([0, 0], [beside, RIGHT]), labels()) == pytest.approx(1.0)
    corner = [0.75, 0.75, 0.5, 0.5]  # the hull is the frame, half of it empty: generalised IoU is -1/2
    assert BoxLoss(l1=0, giou=1)(answer([0, 0], [corner, RIGHT]), labels()) == pytest.approx(1.5)


def test_a_batch_without_nerves_teaches_no_box_but_breaks_nothing() -> None:
    output = answer([0.0, 0.0], [RIGHT, RIGHT])
    assert output.box is not None
    output.box.requires_grad_()
    loss = BoxLoss()(output, torch.zeros(2, 8, 8, dtype=torch.int64))
    loss.backward()
    assert loss == 0
    assert output.box.grad is not None
    assert output.box.grad.abs().max() == 0


def test_fixed_weights_add_the_branches() -> None:
    output, truth = answer([1.0, -2.0], [[0.5, 0.5, 0.3, 0.3], RIGHT]), labels()
    whole = MultiTask(DiceCrossEntropy(), ("presence", "box"), presence=0.5, box=0.2)
    parts = whole.parts(output, truth)
    assert set(parts) == {"mask", "presence", "box"}
    assert whole(output, truth) == pytest.approx(float(parts["mask"] + 0.5 * parts["presence"] + 0.2 * parts["box"]))


def test_a_branch_without_a_head_is_not_taught() -> None:
    output, truth = answer([1.0, -2.0], [RIGHT, RIGHT]), labels()
    assert MultiTask(DiceCrossEntropy())(output, truth) == DiceCrossEntropy()(output, truth)


def test_a_batch_without_nerves_leaves_the_learned_weight_of_the_box_alone() -> None:
    whole = MultiTask(DiceCrossEntropy(), ("presence", "box"), weighting="uncertainty")
    assert whole.log_variances is not None
    whole(answer([0.0, 0.0], [RIGHT, RIGHT]), torch.zeros(2, 8, 8, dtype=torch.int64)).backward()
    assert whole.log_variances.grad is not None
    mask, presence, box = whole.log_variances.grad.tolist()
    assert box == 0
    assert mask != 0 and presence != 0


def test_learned_weights_begin_as_stated_and_fall_for_a_branch_that_stays_bad() -> None:
    whole = MultiTask(DiceCrossEntropy(), ("presence",), presence=0.5, weighting="uncertainty")
    assert whole.log_variances is not None
    assert torch.exp(-whole.log_variances).tolist() == pytest.approx([1.0, 0.5])
    wrong, truth = answer([-6.0, 6.0], [RIGHT, RIGHT]), labels()
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1)
    for _ in range(50):
        optimizer.zero_grad()
        whole(wrong, truth).backward()
        optimizer.step()
    of_mask, of_presence = torch.exp(-whole.log_variances).tolist()
    assert of_presence == pytest.approx(1 / 6, rel=0.1)  # where exp(-s) loss + s is least: at s = log loss
    assert of_presence < of_mask
