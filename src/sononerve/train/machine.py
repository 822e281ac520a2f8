"""What the machine can do: where a training runs, how much memory is free, how long a step takes."""

from __future__ import annotations

import copy
import os
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ..data.module import Batch
from ..models.output import SegmentationModel
from ..process import processor
from .adversarial import Adversary

Accelerator = Literal["cpu", "cuda", "mps"]
Arithmetic = Literal["32", "bf16", "16"]

WARM_STEPS, TIMED_STEPS = 2, 5
TIMING_S = 6.0  # after which a slow machine has shown what it can do


def find_accelerator() -> Accelerator:
    """The GPU where PyTorch sees one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def describe_machine(accelerator: Accelerator) -> str:
    """What computes there, in words."""
    if accelerator == "cuda":
        return f"one {torch.cuda.get_device_name()}"
    return f"the GPU beside {processor()}" if accelerator == "mps" else processor()


def half_precision(accelerator: Accelerator) -> Arithmetic | None:
    """The 16-bit arithmetic that may be faster there; None where there is none."""
    if accelerator == "mps":
        return None
    if accelerator == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "16"
    return "bf16"


def free_memory(accelerator: Accelerator) -> int | None:
    """Bytes that a training may still take there; None where that cannot be known."""
    if accelerator == "cuda":
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info()[0])
    if accelerator == "mps":
        return None
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    left = _left_in_group()
    return free if left is None else min(free, left)


def _left_in_group() -> int | None:
    """Bytes that this process's control group may still take, as in a container; None where there is no limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
        told = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # "max" is no number: no limit
        return None
    return max(0, most - used + int(told.get("inactive_file", 0)))  # what was read from files is given back


def step_memory(model: SegmentationModel, loss: nn.Module, batch: Batch) -> tuple[int, int]:
    """Bytes that a step takes: for each frame of the batch, and for the weights, whatever the batch.

    The former are the tensors that the backward pass needs, counted once each, in 32 bit; the latter are weights,
    gradients, the optimiser's two averages and the averaged weights.
    """
    kept: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the tensor itself would hold its own graph, for ever

    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    owned = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        value = loss(model(batch.frames), batch.labels)
    del value
    saved = sum(size for place, size in kept.items() if place not in owned)
    return saved // len(batch.frames), 5 * weights


def time_step(
    model: SegmentationModel,
    loss: nn.Module,
    batch: Batch,
    precision: str,
    accelerator: str,
    warm: int = WARM_STEPS,
    timed: int = TIMED_STEPS,
    done: float = 1.0,
    adversary: Adversary | None = None,
) -> float:
    """Median seconds of one training step on copies of model, loss and adversary, after a warm-up.

    Steps that take seconds are timed less often, down to one without a warm-up. ``done``: at which share of the
    training, 0..1, where the network is frozen for some of it. ``adversary``: one that learns and is listened to.
    """
    device = torch.device(accelerator)
    network = copy.deepcopy(model).to(device).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.thaw(done)
    average = torch.optim.swa_utils.AveragedModel(network)  # of buffers a GPU would have to divide whole numbers
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    batch, judge = batch.to(device), copy.deepcopy(loss).to(device)
    rival = copy.deepcopy(adversary)
    if rival is not None:
        rival.to(device).begin()
    seconds: list[float] = []
    while len(seconds) < warm + timed and sum(seconds) < TIMING_S:
        started = time.perf_counter()
        optimizer.zero_grad()
        with autocast(precision, accelerator):
            output = network(*batch.inputs)
            value = judge(output, batch.labels)
            if rival is not None:
                value = value + rival.step(batch, output.logits, strength=1.0)[0]
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        wait_for(accelerator)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[min(warm, len(seconds) - 1) :])


def wait_for(accelerator: str) -> None:
    """Return when the accelerator has done what it was sent: it works while Python goes on."""
    if accelerator == "cuda":
        torch.cuda.synchronize()
    elif accelerator == "mps":
        torch.mps.synchronize()


def autocast(precision: str, accelerator: str) -> AbstractContextManager[object]:
    """Arithmetic of that precision, for as long as this is entered."""
    if precision == "32":
        return nullcontext()
    return torch.autocast(accelerator, torch.bfloat16 if precision == "bf16" else torch.float16)
