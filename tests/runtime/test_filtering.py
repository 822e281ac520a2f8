"""The threshold of the early filter follows from the sensitivity asked for; few frames or groups show little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.runtime.filtering import threshold_for

PRESENCE = st.floats(0, 1, width=32)
GROUPS = st.lists(st.lists(PRESENCE, min_size=1, max_size=40), min_size=1, max_size=8)


@given(groups=GROUPS, sensitivity=st.floats(0.01, 0.99))
def test_more_than_the_asked_share_of_the_tune_part_passes_or_it_is_refused(
    groups: list[list[float]], sensitivity: float
) -> None:
    every = np.concatenate(groups)
    if sensitivity ** len(every) > 0.05:
        with pytest.raises(InputError, match=f"are {len(every)} frames with a nerve"):
            threshold_for(groups, sensitivity)
        return
    assert (every >= threshold_for(groups, sensitivity)).mean() >= sensitivity


def test_on_other_frames_the_share_is_reached_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(500):
        threshold = threshold_for([[p] for p in rng.random(60)], 0.9)  # of evenly spread presences 1 - threshold pass
        reached.append(1 - threshold >= 0.9)
    assert 0.93 < np.mean(reached) < 0.999


def test_on_other_subjects_the_share_is_reached_where_frames_alone_would_promise_too_much() -> None:
    rng = np.random.default_rng(0)

    def subjects(count: int) -> list[list[float]]:
        """Ten frames each, all alike: one in five subjects is hard."""
        return [[0.2 if hard else 0.9] * 10 for hard in rng.random(count) < 0.2]

    reached, promised = [], []
    for _ in range(200):
        tune = subjects(12)
        as_if_alone = [[presence] for group in tune for presence in group]
        reached.append(threshold_for(tune, 0.85) <= 0.2)
        promised.append(threshold_for(as_if_alone, 0.85) <= 0.2)
    assert np.mean(reached) > 0.9
    assert np.mean(promised) < np.mean(reached)


def test_of_two_subjects_each_must_reach_the_share() -> None:
    easy, hard = [0.9] * 50, [0.1, 0.3, 0.5, 0.7, 0.8]
    assert threshold_for([easy, hard], 0.8) == 0.3
    assert threshold_for([easy * 10, hard], 0.8) == 0.3


def test_how_many_frames_show_nine_in_ten() -> None:
    assert threshold_for([[0.5] * 28 + [0.25]], 0.9) == 0.25
    with pytest.raises(InputError, match=r"28 frames .* at most 0\.89; ask for less"):
        threshold_for([[0.5] * 28], 0.9)
