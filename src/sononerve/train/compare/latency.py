"""How long a frame takes to segment: every network on the same frames in turn, so that a busy machine slows all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ...data.dataset import Dataset
from ...frame import Frame
from ...process import keep_memory
from ...runtime.predictor import Predictor

TIMED_FRAMES, WARM_FRAMES = 15, 2


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
    for frame in [*[frames[0]] * WARM_FRAMES, *frames]:
        for label, predictor in predictors.items():
            predictor.predict(frame)
            began = time.perf_counter()
            predictor.predict(frame)
            found[label].append(1000 * (time.perf_counter() - began))
    return {label: taken[WARM_FRAMES:] for label, taken in found.items()}
