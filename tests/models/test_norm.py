"""Own normalisation layers against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sononerve.models.norm import InstanceNorm

CHANNELS = 5


@pytest.fixture
def norm() -> InstanceNorm:
    torch.manual_seed(0)
    layer = InstanceNorm(CHANNELS)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def _oracle(norm: InstanceNorm) -> nn.InstanceNorm2d:
    oracle = nn.InstanceNorm2d(CHANNELS, affine=True)
    oracle.load_state_dict(norm.state_dict())
    return oracle


@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients_are_those_of_pytorch(norm: InstanceNorm, training: bool) -> None:
    oracle = _oracle(norm).train(training)
    norm.train(training)
    results = []
    for layer in (norm, oracle):
        features = torch.randn(3, CHANNELS, 7, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
        answer = layer(features)
        answer.square().mul(torch.arange(9.0)).sum().backward()
        results.append([answer, features.grad, layer.weight.grad, layer.bias.grad])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_frame_is_normalised_alike_whatever_is_beside_it(norm: InstanceNorm) -> None:
    frames = torch.randn(4, CHANNELS, 6, 6) * torch.tensor([1.0, 30.0, 0.1, 5.0])[:, None, None, None]
    together = norm.train()(frames)
    torch.testing.assert_close(together[2:3], norm.eval()(frames[2:3]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_one_pixel_a_channel_gives_the_shift(norm: InstanceNorm, training: bool) -> None:
    answer = norm.train(training)(torch.randn(2, CHANNELS, 1, 1))
    torch.testing.assert_close(answer.flatten(1), norm.bias.expand(2, -1), rtol=1e-3, atol=1e-3)


def test_channels_stay_last_in_training(norm: InstanceNorm) -> None:
    features = torch.randn(2, CHANNELS, 8, 8).contiguous(memory_format=torch.channels_last)
    assert norm.train()(features).is_contiguous(memory_format=torch.channels_last)
