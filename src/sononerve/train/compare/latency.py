"""How long a frame takes to segment, and in ratio to another network on the same frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ...data.dataset import Dataset
from ...frame import Frame

TIMED_FRAMES = 15


@dataclass(frozen=True)
class Latency:
    """Median milliseconds of a frame, and the median over the frames of its ratio to the reference on the same frame.

    ``together``: measured in one process, in turn; else each after its own training, and the ratio is one of medians.
    """

    ms: float
    ratio: float
    frames: int
    together: bool


def some_frames(dataset: Dataset, indices: Sequence[int]) -> list[Frame]:
    """At most 15 of the frames, spread evenly over ``indices``."""
    step = max(1, len(indices) // TIMED_FRAMES)
    return [dataset[i].frame for i in indices[::step][:TIMED_FRAMES]]


def compared(taken: Mapping[str, Sequence[float]], reference: str) -> dict[str, Latency]:
    """What `sononerve.runtime.race.race` measured, with the ratios to ``reference``."""
    return {
        label: Latency(
            ms=median(each),
            ratio=median(a / b for a, b in zip(each, taken[reference], strict=True)),
            frames=len(each),
            together=True,
        )
        for label, each in taken.items()
    }
