"""Adversarial losses against cases worked out by hand."""

from __future__ import annotations

import pytest
import torch

from sononerve.losses.adversarial import AdversarialKind, discriminator_loss, feature_matching, generator_loss

REAL, GENERATED = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.5])


@pytest.mark.parametrize(
    ("kind", "discriminator", "generator"),
    [
        ("hinge", (0 + 0.5) / 2 + (0 + 1.5) / 2, (2 - 0.5) / 2),
        ("least-squares", ((1 + 0.25) / 2 + (4 + 0.25) / 2) / 2, (9 + 0.25) / 2 / 2),
    ],
)
def test_two_patches_by_hand(kind: AdversarialKind, discriminator: float, generator: float) -> None:
    real, generated = (scores.reshape(1, 1, 1, 2) for scores in (REAL, GENERATED))
    assert discriminator_loss(kind, real, generated).item() == pytest.approx(discriminator)
    assert generator_loss(kind, generated).item() == pytest.approx(generator)


def test_features_match_by_their_mean_distance_in_each_layer() -> None:
    real = [torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1), torch.full((1, 1, 1, 1), 2.0)]
    found = [torch.tensor([1.0, 1.0]).reshape(1, 2, 1, 1), torch.full((1, 1, 1, 1), 5.0)]
    for tensor in (*real, *found):
        tensor.requires_grad_(True)
    loss = feature_matching(real, found)
    loss.backward()
    assert loss.item() == pytest.approx((0.5 + 3) / 2)
    assert all(tensor.grad is None for tensor in real)
    assert all(tensor.grad is not None for tensor in found)
