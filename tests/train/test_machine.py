"""What a step takes of time and memory, and what the machine has."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from sononerve.data.module import Batch, as_batch
from sononerve.losses import DiceCrossEntropy
from sononerve.models import Output, SegmentationModel, build
from sononerve.train import machine
from sononerve.train.machine import free_memory, half_precision, step_memory, time_step, wait_for


def net(width: int = 4) -> SegmentationModel:
    return build("unet", {"width": width, "depth": 3}, 1)


def frames(count: int, side: int = 32) -> Batch:
    rng = np.random.default_rng(0)
    return as_batch(rng.normal(size=(count, side, side)).astype(np.float32), np.ones((count, side, side), np.uint8))


def test_timing_steps_leaves_the_model_as_it_was() -> None:
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert time_step(model, DiceCrossEntropy(), frames(2), "32", "cpu") > 0
    assert all((value == before[name]).all() for name, value in model.state_dict().items())


def test_a_network_that_counts_batches_is_timed_on_a_gpu_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # There PyTorch averages many tensors at a time, and its own average divides whole numbers, which it then refuses.
    monkeypatch.setattr("torch.optim.swa_utils._get_foreach_kernels_supported_devices", lambda: ["cpu"])
    batch_norm = build("unet", {"width": 4, "depth": 3, "norm": "batch"}, 1)
    assert time_step(batch_norm, DiceCrossEntropy(), frames(2), "32", "cpu") > 0


class LearnedLoss(nn.Module):
    """A loss with a weight of its own, as that of `MultiTask` by uncertainty."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, output: Output, labels: torch.Tensor) -> torch.Tensor:
        if self.weight.device != output.logits.device:
            raise RuntimeError("Expected all tensors to be on the same device")
        return (self.weight * output.logits.square().mean()).sum()


def test_a_loss_that_learns_is_timed_where_the_network_is_and_stays_as_it_was() -> None:
    loss = LearnedLoss()
    for place in ("meta", "cpu"):  # meta: another device, which every machine has
        assert time_step(net(), loss, frames(2), "32", place) > 0
    assert loss.weight.grad is None
    assert loss.weight.device.type == "cpu"


def test_slow_steps_are_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TIMING_S", 1e-9)
    model, taken = net(), []
    model.register_forward_hook(lambda *_: taken.append(1))
    assert time_step(model, DiceCrossEntropy(), frames(2), "32", "cpu") > 0
    assert len(taken) == 1


@pytest.mark.parametrize("accelerator", ["cuda", "mps"])
def test_a_gpu_is_waited_for(accelerator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr(f"torch.{accelerator}.synchronize", lambda: waited.append(1))
    wait_for(accelerator)
    assert waited == [1]


@pytest.mark.parametrize(("major", "expected"), [(7, "16"), (8, "bf16")])
def test_a_gpu_that_only_emulates_bf16_has_16_bit(major: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute capability 7, as of a T4, takes tensors of bf16 but has no unit for them."""
    monkeypatch.setattr(torch.version, "hip", None)
    for name, found in {
        "is_available": True,
        "current_device": 0,
        "get_device_properties": SimpleNamespace(major=major),
        "_check_bf16_tensor_supported": True,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, found=found: found)
    assert half_precision("cuda") == expected


def test_memory_of_a_frame_grows_with_its_pixels_and_not_with_the_batch() -> None:
    model, loss = net(), DiceCrossEntropy()
    one, weights = step_memory(model, loss, frames(1))
    assert step_memory(model, loss, frames(4))[0] == pytest.approx(one, rel=0.05)
    assert step_memory(model, loss, frames(1, 64))[0] == pytest.approx(4 * one, rel=0.05)
    assert weights == 5 * sum(4 * p.numel() for p in model.parameters())


def test_a_wider_network_takes_more_memory() -> None:
    narrow, wide = (step_memory(net(width), DiceCrossEntropy(), frames(1)) for width in (4, 8))
    assert wide[0] > 1.5 * narrow[0]
    assert wide[1] > 3 * narrow[1]


def test_free_memory_is_what_this_machine_may_have() -> None:
    free = free_memory("cpu")
    assert free is None or 1e6 < free < 1e14
