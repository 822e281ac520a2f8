"""Times of several predictors, by a clock that only they move."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sononerve.frame import Frame
from sononerve.runtime import race as race_module
from sononerve.runtime.race import race
from sononerve.train.compare.latency import compared


class Clock:
    """Moved by the predictors; one that comes after another takes a second more, as with cold caches."""

    def __init__(self) -> None:
        self.now, self.last = 0.0, ""

    def predictor(self, name: str, seconds: float) -> SimpleNamespace:
        def predict(frame: Frame) -> None:
            self.now += (seconds if self.last == name else seconds + 1) * float(frame.pixels[0, 0])
            self.last = name

        return SimpleNamespace(predict=predict)


def test_each_is_timed_warm_and_held_against_the_reference_on_the_same_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(race_module.time, "perf_counter", lambda: clock.now)
    frames = [Frame(np.full((4, 4), size, np.uint8)) for size in (1, 2, 50)]
    taken = race({"a": clock.predictor("a", 0.01), "b": clock.predictor("b", 0.03)}, frames)  # type: ignore[dict-item]
    assert taken["a"] == pytest.approx([10, 20, 500])
    found = compared(taken, "a")
    assert (found["b"].ms, found["b"].ratio, found["b"].frames) == pytest.approx((60, 3, 3))
    assert found["a"].ratio == 1
