"""The Attention U-Net: the U-Net and nothing else where its gates are off or open, and what its gates do."""

from __future__ import annotations

import pytest
import torch

from sononerve.models import MODELS, build
from sononerve.models.attention_unet import AttentionUNet
from sononerve.models.unet import UNet

SMALL = {"width": 8, "depth": 4, "fold": 2}


def gated(seed: int = 0, **settings: bool | int | str) -> AttentionUNet:
    """A small one, ready to answer."""
    torch.manual_seed(seed)
    network = build("attention-unet", SMALL | settings, classes=2).eval()
    assert isinstance(network, AttentionUNet)
    return network


def plain(network: AttentionUNet) -> UNet:
    """The U-Net with the same weights; the gates are left out."""
    unet = build("unet", SMALL, classes=2).eval()
    unet.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("gates.")})
    assert isinstance(unet, UNet)
    return unet


def set_gates(network: AttentionUNet, logit: float) -> None:
    """The same logit for every place of every gate."""
    for gate in network.gates:
        torch.nn.init.zeros_(gate.psi.weight)
        torch.nn.init.constant_(gate.psi.bias, logit)


def test_it_usually_is_the_default_u_net_with_gates() -> None:
    with_gates, without = MODELS["attention-unet"], MODELS["unet"]
    assert with_gates.usual.model_dump() == without.usual.model_dump() | {"gates": True}
    assert with_gates.narrower == without.narrower


@torch.no_grad()
def test_without_gates_it_is_the_u_net() -> None:
    network = gated(gates=False)
    unet = plain(network)
    assert network.state_dict().keys() == unet.state_dict().keys()
    frames = torch.randn(2, 1, 32, 48)
    output = network(frames)
    assert torch.equal(output.logits, unet(frames).logits)
    assert output.gates == ()


def test_a_seed_gives_it_the_same_u_net_with_gates_and_without() -> None:
    bare, full = gated(gates=False).state_dict(), gated().state_dict()
    assert all(torch.equal(full[key], bare[key]) for key in bare)


@torch.no_grad()
@pytest.mark.parametrize("multiples", [(1, 1), (1, 3), (3, 2), (5, 1)])
def test_gates_are_maps_of_the_skips_sizes_finest_first(multiples: tuple[int, int]) -> None:
    network = gated()
    height, width = (network.divisor * m for m in multiples)
    gates = network(torch.randn(2, 1, height, width)).gates
    assert [tuple(gate.shape) for gate in gates] == [(2, 1, height // k, width // k) for k in (2, 4, 8)]
    assert all(gate.min() >= 0 and gate.max() <= 1 for gate in gates)


@torch.no_grad()
def test_fresh_gates_are_mostly_open() -> None:
    gates = gated()(torch.randn(2, 1, 64, 64)).gates
    assert all(gate.mean() > 0.7 for gate in gates)


def test_deeper_levels_answer_in_training_with_gates_as_without() -> None:
    network = gated(deep_supervision=2).train()
    output = network(torch.randn(1, 1, 32, 48))
    assert [tuple(logits.shape) for logits in output.deeper] == [(1, 2, 8, 12), (1, 2, 4, 6)]
    assert len(output.gates) == 3


@torch.no_grad()
def test_open_gates_pass_everything() -> None:
    network = gated()
    set_gates(network, torch.inf)
    frames = torch.randn(2, 1, 32, 48)
    assert torch.equal(network(frames).logits, plain(network)(frames).logits)


@torch.no_grad()
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_closed_gate_takes_its_skip_away(level: int) -> None:
    network = gated()
    set_gates(network, torch.inf)
    step = len(network.gates) - 1 - level  # gates and decoder steps are kept coarsest first
    torch.nn.init.constant_(network.gates[step].psi.bias, -torch.inf)
    frames = torch.randn(1, 1, 32, 48)
    skips = network.features(frames)
    levels = [skips[-1]]
    for number, skip in enumerate(skips[-2::-1]):
        passed = torch.zeros_like(skip) if number == step else skip
        levels.append(network.climb(number, levels[-1], passed))
    output = network(frames)
    assert [float(gate.max()) for gate in output.gates] == [0.0 if k == level else 1.0 for k in range(3)]
    assert torch.equal(output.logits, network.answer(levels).logits)
    assert not torch.allclose(output.logits, plain(network)(frames).logits)
