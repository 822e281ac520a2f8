"""Agreement of two measurements against the textbook's formulas, written out a second time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.evaluate.agreement import measure_agreement

# Shrout and Fleiss (Psychological Bulletin 1979), table 2: the first two judges.
JUDGE_1, JUDGE_2 = [9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2]


def icc_by_analysis_of_variance(x: np.ndarray, y: np.ndarray) -> float:
    """ICC(A,1) from the mean squares of the table of values, frames by methods."""
    table = np.column_stack([x, y])
    n, k = table.shape
    frames, methods, all_ = table.mean(1, keepdims=True), table.mean(0, keepdims=True), table.mean()
    between = k * ((frames - all_) ** 2).sum() / (n - 1)
    columns = n * ((methods - all_) ** 2).sum() / (k - 1)
    rest = ((table - frames - methods + all_) ** 2).sum() / ((n - 1) * (k - 1))
    return (between - rest) / (between + (k - 1) * rest + k * (columns - rest) / n)


def test_bias_limits_and_correlation_are_those_of_the_formulas() -> None:
    found = measure_agreement(JUDGE_1, JUDGE_2, list("aabbcc"))
    apart = np.subtract(JUDGE_2, JUDGE_1)
    assert found.bias.value == pytest.approx(apart.mean())
    assert found.low.value == pytest.approx(apart.mean() - 1.96 * apart.std(ddof=1))
    assert found.high.value == pytest.approx(apart.mean() + 1.96 * apart.std(ddof=1))
    assert found.error.value == pytest.approx(np.abs(apart).mean())
    assert found.icc.value == pytest.approx(icc_by_analysis_of_variance(np.array(JUDGE_1), np.array(JUDGE_2)))
    assert (found.bias.subjects, found.bias.frames) == (3, 6)
    assert found.high.low < found.high.value < found.high.high


@given(st.lists(st.tuples(st.integers(1, 60_000), st.integers(1, 60_000)), min_size=3, max_size=12, unique=True))
def test_the_correlation_holds_for_any_areas(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, float).T
    found = measure_agreement(x, y, [str(i) for i in range(len(x))])
    if np.ptp(np.concatenate([x, y])) > 0:
        assert found.icc.value == pytest.approx(icc_by_analysis_of_variance(x, y), abs=1e-9)


def test_perfect_agreement_is_1_without_bias() -> None:
    found = measure_agreement([1e8, 1e8 + 1, 1e8 + 2], [1e8, 1e8 + 1, 1e8 + 2], ["a", "b", "c"])
    assert (found.bias.value, found.low.value, found.high.value, found.icc.value) == (0, 0, 0, 1)


def test_one_frame_has_a_bias_and_no_limits_and_none_has_nothing() -> None:
    one = measure_agreement([10], [12], ["a"])
    assert (one.bias.value, one.low, one.high, one.icc) == (2, None, None, None)
    assert measure_agreement([], [], []) is None
