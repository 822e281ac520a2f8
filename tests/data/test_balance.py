"""Candidates are chosen so that both sides have the same moments."""

import numpy as np

from sononerve.data.balance import balance


def chosen_rows(first, second):
    picks = balance(first, second)
    return (np.array([side[pick[k]] for side, pick in zip((first, second)[k], picks, strict=True)]) for k in (0, 1))


def test_a_shift_and_a_spread_that_the_candidates_allow_are_made_up_for():
    rng = np.random.default_rng(1)
    first = [rng.normal(0, 1, (20, 3)) for _ in range(80)]
    second = [rng.normal(0.5, 1.5, (20, 3)) for _ in range(80)]
    a, b = chosen_rows(first, second)
    assert np.abs(a.mean(0) - b.mean(0)).max() < 0.02
    assert np.abs(np.cov(a.T) - np.cov(b.T)).max() < 0.05
    drawn = np.array([side[0] for side in first]), np.array([side[0] for side in second])
    assert np.abs(drawn[0].mean(0) - drawn[1].mean(0)).max() > 0.2


def test_single_candidates_are_taken_as_they_are():
    assert balance([np.array([[1.0]])] * 3, [np.array([[7.0]])] * 3) == [(0, 0)] * 3


def test_nothing_gives_nothing():
    assert balance([], []) == []


def test_a_feature_that_never_varies_is_no_division_by_zero():
    (a, b) = balance([np.array([[4.0], [4.0]])], [np.array([[4.0]])])[0]
    assert a in (0, 1)
    assert b == 0
