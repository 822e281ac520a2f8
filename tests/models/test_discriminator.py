"""The discriminator: weights of norm 1, patches, and no gradient left behind."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sononerve.models.discriminator import Discriminator


def pair(side: int = 32, classes: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised noise, and class maps of it."""
    torch.manual_seed(0)
    return torch.randn(2, 1, side, side), torch.softmax(torch.randn(2, classes + 1, side, side), dim=1)


def convolutions(discriminator: Discriminator) -> list[nn.Conv2d]:
    return [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]


def test_the_largest_singular_value_of_every_weight_stays_one_while_it_learns() -> None:
    frames, maps = pair()
    discriminator = Discriminator(classes=1, width=8).requires_grad_(True)
    optimiser = torch.optim.Adam(discriminator.parameters(), 1e-3)
    for _ in range(20):
        optimiser.zero_grad()
        (-discriminator(frames, maps).scores.mean()).backward()
        optimiser.step()
    for _ in range(5):  # the value is found by a step per look
        discriminator(frames, maps)
    assert len(convolutions(discriminator)) == 5
    for layer in convolutions(discriminator):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_score_per_patch_and_features_per_layer(layers: int) -> None:
    frames, maps = pair(classes=2)
    judged = Discriminator(classes=2, width=4, layers=layers)(frames, maps)
    side = 32 // 2**layers
    assert judged.scores.shape == (2, 1, side, side)
    assert [found.shape[-1] for found in judged.features] == [*(16 // 2**k for k in range(layers)), side]


def test_a_generators_gradient_passes_through_and_leaves_none() -> None:
    frames, maps = pair()
    maps.requires_grad_(True)
    discriminator = Discriminator(classes=1, width=4)
    discriminator(frames, maps).scores.mean().backward()
    assert maps.grad is not None
    assert maps.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in discriminator.parameters())


def test_it_computes_in_32_bit_under_autocast() -> None:
    frames, maps = pair()
    discriminator = Discriminator(classes=1, width=4).eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = discriminator(frames, maps).scores
    assert torch.equal(found, discriminator(frames, maps).scores)


def test_a_copy_judges_alike_and_draws_no_random_numbers() -> None:
    frames, maps = pair()
    discriminator = Discriminator(classes=1, width=4).eval()
    before = torch.get_rng_state()
    again = copy.deepcopy(discriminator).eval()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again(frames, maps).scores, discriminator(frames, maps).scores)
