"""Several predictors on the same frames in turn, so that a busy machine slows all of them."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from ..frame import Frame
from ..process import keep_memory
from .predictor import Predictor

WARM_FRAMES = 2
Name = TypeVar("Name", bound=Hashable)


def race(predictors: Mapping[Name, Predictor], frames: Sequence[Frame]) -> dict[Name, list[float]]:
    """Milliseconds that each predictor takes for each frame, all of them in turn on every frame.

    Before each timed look the same predictor looks once untimed: the threads of the one before still spin for a while,
    and what it read has left the processor's cache.
    """
    keep_memory()
    found: dict[Name, list[float]] = {label: [] for label in predictors}
    turns = list(predictors)
    for frame in [*[frames[0]] * WARM_FRAMES, *frames]:
        for label in turns:
            predictors[label].predict(frame)
            began = time.perf_counter()
            predictors[label].predict(frame)
            found[label].append(1000 * (time.perf_counter() - began))
        turns.append(turns.pop(0))  # nobody comes first, or after the same one, each time
    return {label: taken[WARM_FRAMES:] for label, taken in found.items()}
