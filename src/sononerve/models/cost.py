"""What a network costs: how many parameters, and how much work a frame is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..errors import InputError
from . import MODELS, build
from .output import SegmentationModel

SIDE = 256
"""Height and width in pixels of the frame whose work is counted."""


@dataclass(frozen=True)
class Cost:
    """``parameters``: how many numbers are learned. ``gflops``: work for one frame of `SIDE` x `SIDE`, in 10^9.

    Counted are convolutions, transposed ones and matrix products, a multiplication and an addition as two.
    """

    parameters: int
    gflops: float


def cost_of(name: str, classes: int = 1) -> Cost:
    """Cost of the network ``name`` with its usual settings; raises `InputError` where an extra is missing.

    >>> cost_of("unet-notebook").parameters
    2161361
    """
    model = _on_nothing(name, classes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, count_flops(model, SIDE, SIDE) / 1e9)


@dataclass(frozen=True)
class Listed:
    """A line of the list of networks; ``cost`` is None where the extra that it needs is not installed."""

    name: str
    cost: Cost | None
    extra: str | None
    sentence: str


def list_models() -> list[Listed]:
    """Every network of the registry with what it costs."""
    lines: list[Listed] = []
    for name, known in MODELS.items():
        cost = None
        try:
            cost = cost_of(name)
        except InputError:
            if known.extra is None:
                raise
        lines.append(Listed(name, cost, known.extra, known.sentence))
    return lines


def count_flops(model: SegmentationModel, height: int, width: int) -> int:
    """Operations for one frame of ``height`` x ``width`` pixels; the model is left on the device "meta"."""
    model = model.to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, height, width, device="meta"))
    return int(counter.get_total_flops())


def _on_nothing(name: str, classes: int) -> SegmentationModel:
    """The network without its numbers where it can be built so, which takes no time."""
    try:
        with torch.device("meta"):
            return build(name, {}, classes)
    except RuntimeError:  # it asks a tensor for a value while it is built
        return build(name, {}, classes)
