"""How long a frame takes to segment: every network on the same frames in turn, so that a busy machine slows all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ...data.dataset import Dataset
from ...frame import Frame
from ...process import keep_memory
from ...runtime.predictor import Predictor

TIMED_FRAMES, WARM_FRAMES = 15, 2


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


def race(predictors: Mapping[str, Predictor], frames: Sequence[Frame]) -> dict[str, list[float]]:
    """Milliseconds that each predictor takes for each frame, all of them in turn on every frame.

    Before each timed look the same predictor looks once untimed: the threads of the one before still spin for a while,
    and what it read has left the processor's cache.
    """
    keep_memory()
    found: dict[str, list[float]] = {label: [] for label in predictors}
    turns = list(predictors)
    for frame in [*[frames[0]] * WARM_FRAMES, *frames]:
        for label in turns:
            predictors[label].predict(frame)
            began = time.perf_counter()
            predictors[label].predict(frame)
            found[label].append(1000 * (time.perf_counter() - began))
        turns.append(turns.pop(0))  # nobody comes first, or after the same one, each time
    return {label: taken[WARM_FRAMES:] for label, taken in found.items()}


def compared(taken: Mapping[str, Sequence[float]], reference: str) -> dict[str, Latency]:
    """What `race` measured, with the ratios to ``reference``."""
    return {
        label: Latency(
            ms=median(each),
            ratio=median(a / b for a, b in zip(each, taken[reference], strict=True)),
            frames=len(each),
            together=True,
        )
        for label, each in taken.items()
    }
