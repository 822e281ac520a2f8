"""The loss for probabilities in place of labels."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sononerve.losses import SoftLabels
from sononerve.models.output import probabilities


@given(st.integers(0, 1000), st.integers(1, 3))
def test_no_answer_is_better_than_the_very_probabilities(seed: int, classes: int) -> None:
    """Neither one that is surer nor any other near it, though the probabilities are far from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 4, 4, generator=generator)
    target, loss = probabilities(logits), SoftLabels()
    best = loss(logits, target)
    assert best < loss(1.5 * logits, target)
    assert best < loss(logits + 0.1 * torch.randn(logits.shape, generator=generator), target)


def test_it_takes_an_answer_to_the_probabilities() -> None:
    target = probabilities(torch.tensor([[[[1.0, -2.0]], [[0.5, 0.0]]]]))
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for step in range(400):
        optimiser.param_groups[0]["lr"] = 0.1 * 0.98**step
        optimiser.zero_grad()
        SoftLabels()(logits, target).backward()
        optimiser.step()
    torch.testing.assert_close(probabilities(logits.detach()), target, atol=0.02, rtol=0)
