"""The threshold of the early filter follows from the sensitivity that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.runtime.filtering import threshold_for


@given(
    presences=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    sensitivity=st.floats(0, 1),
)  # fmt: skip
def test_at_least_the_asked_share_passes_and_no_higher_threshold_would_do(
    presences: list[float], sensitivity: float
) -> None:
    threshold = threshold_for(presences, sensitivity)
    passed = np.array(presences) >= threshold
    assert passed.mean() >= sensitivity - 1e-9
    higher = [p for p in presences if p > threshold]
    if higher:
        assert (np.array(presences) >= min(higher)).mean() < sensitivity or sensitivity == 0


def test_all_must_pass_where_all_are_asked_for() -> None:
    assert threshold_for([0.3, 0.9, 0.05], 1.0) == pytest.approx(0.05)
