"""Counts at every threshold against counting one by one; curves by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sononerve.evaluate.thresholds import THRESHOLDS, FrameCounts, count_at_thresholds, operate, receiver_operating

CHANCES = arrays.arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32))
TRUTHS = arrays.arrays(np.bool_, (4, 5))


@given(CHANCES, TRUTHS)
def test_pixels_are_counted_as_one_by_one(probability: np.ndarray, truth: np.ndarray) -> None:
    found = count_at_thresholds(probability, truth)
    for place, threshold in enumerate(THRESHOLDS):
        marked = probability >= np.float32(threshold)
        assert (found.marked[place], found.right[place]) == (marked.sum(), (marked & truth).sum())


def test_scores_at_a_threshold_are_those_of_the_masks_there() -> None:
    low, high = (5,) * 19, (10,) * 9 + (4,) * 10
    counts = [FrameCounts(high, low), FrameCounts(low, (0,) * 19), FrameCounts((0,) * 19, (0,) * 19)]
    points = operate(counts, [10, 0, 0], ["a", "b", "c"])
    assert [point.threshold for point in points] == list(THRESHOLDS)
    first = points[0]
    assert first.dice.value == pytest.approx(2 * 5 / (10 + 10))
    assert (first.precision, first.recall) == (pytest.approx(5 / 15), pytest.approx(5 / 10))
    assert first.false_positives == 0.5
    assert first.dice.frames == 1


def test_what_is_not_defined_is_none() -> None:
    silent = FrameCounts((0,) * 19, (0,) * 19)
    (point, *_) = operate([silent], [0], ["a"])
    assert (point.dice, point.precision, point.recall, point.false_positives) == (None, None, None, 0)
    assert operate([silent], [3], ["a"])[0].false_positives is None
    assert operate([], [], []) == ()


def test_the_roc_has_a_point_for_every_presence_and_none_without_both_kinds() -> None:
    cuts = receiver_operating([0.9, 0.7, 0.7, 0.1], [True, False, True, False])
    assert [(c.presence, c.sensitivity, c.false_positives) for c in cuts] == [(0.9, 0.5, 0), (0.7, 1, 0.5), (0.1, 1, 1)]
    assert receiver_operating([0.3, 0.4], [True, True]) == ()
