"""The threshold of the early filter follows from the sensitivity that was asked for, and few frames show little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.runtime.filtering import threshold_for


@given(
    presences=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200),
    sensitivity=st.floats(0.01, 0.99),
)  # fmt: skip
def test_more_than_the_asked_share_of_the_tune_part_passes_or_it_is_refused(
    presences: list[float], sensitivity: float
) -> None:
    if sensitivity ** len(presences) > 0.05:
        with pytest.raises(InputError, match=f"holds {len(presences)} frames with a nerve"):
            threshold_for(presences, sensitivity)
        return
    assert (np.array(presences) >= threshold_for(presences, sensitivity)).mean() >= sensitivity


def test_on_other_frames_the_share_is_reached_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(2000):
        threshold = threshold_for(rng.random(60).tolist(), 0.9)  # of evenly spread presences 1 - threshold pass
        reached.append(1 - threshold >= 0.9)
    assert 0.93 < np.mean(reached) < 0.999


def test_how_many_frames_show_nine_in_ten() -> None:
    assert threshold_for([0.5] * 28 + [0.25], 0.9) == 0.25
    with pytest.raises(InputError, match=r"28 frames .* at most 0\.90; ask for less"):
        threshold_for([0.5] * 28, 0.9)
