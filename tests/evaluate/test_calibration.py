"""Whether probabilities mean what they say, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sononerve.evaluate.calibration import calibration_error, frame_calibration, reliability


def masks(*rows: str) -> np.ndarray:
    """Of rows such as ``0110``."""
    return np.array([[c == "1" for c in row] for row in rows])


def test_the_error_of_ten_pixels_is_as_by_hand() -> None:
    """Four pixels of 0.75 of which two are true, six of 0.25 of which one is: off by 1.0 and 0.5 of ten."""
    probability = np.array([0.75] * 4 + [0.25] * 6, np.float32)
    truth = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0], bool)
    assert calibration_error(reliability(probability, truth)) == pytest.approx((4 * 0.25 + 6 * (0.25 - 1 / 6)) / 10)


def test_probabilities_that_come_true_have_no_error() -> None:
    probability = np.array([0.75] * 4 + [0.25] * 4 + [0.0, 1.0], np.float32)
    truth = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1], bool)
    assert calibration_error(reliability(probability, truth)) == pytest.approx(0)


def test_the_surest_fall_into_the_last_bin() -> None:
    assert reliability(np.array([1.0], np.float32), np.array([True]))[-1].tolist() == [1, 1, 1]


def test_frames_of_any_size_count_alike() -> None:
    """One pixel of 0.9 that is wrong, and a hundred of 0.9 that are right: off by the mean of 0.9 and -0.1."""
    small = reliability(np.full(1, 0.9, np.float32), np.zeros(1, bool))
    large = reliability(np.full(100, 0.9, np.float32), np.ones(100, bool))
    assert calibration_error(small + large) == pytest.approx(0.4)


def test_of_no_pixels_no_error_is_told() -> None:
    nothing = reliability(np.zeros(0, np.float32), np.zeros(0, bool))
    assert not nothing.any()
    assert np.isnan(calibration_error(nothing))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_an_error_lies_in_0_to_1_and_is_small_of_truth_drawn_by_the_probabilities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.random(20_000, np.float32)
    drawn = rng.random(20_000) < probability
    assert 0 <= calibration_error(reliability(probability, drawn)) < 0.03
    assert 0.4 < calibration_error(reliability(probability, ~drawn)) <= 1


def test_squares_and_log_likelihood_are_as_by_hand() -> None:
    found = frame_calibration(np.array([[0.75, 0.25], [0.5, 0.0]], np.float32), masks("10", "10"), masks("10", "00"))
    assert found.brier == pytest.approx((0.25**2 + 0.25**2 + 0.5**2 + 0) / 4)
    assert found.log_loss == pytest.approx(-(2 * np.log(0.75) + np.log(0.5)) / 4, abs=1e-6)


def test_a_nerve_that_was_thought_impossible_costs_much_and_not_infinitely() -> None:
    found = frame_calibration(np.zeros((4, 4), np.float32), np.ones((4, 4), bool), np.zeros((4, 4), bool))
    assert 10 < found.log_loss < 20


def test_near_is_within_a_fiftieth_of_the_diagonal_of_truth_or_prediction() -> None:
    """The diagonal of 60 x 80 is 100, so within 2 pixels: 13 of a single one."""
    truth, predicted = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    truth[20, 20] = predicted[40, 60] = True
    probability = np.full((60, 80), 0.3, np.float32)
    found = frame_calibration(probability, truth, predicted)
    assert found.near[4] == pytest.approx([1, 0.3, 1 / 26])
    assert found.everywhere[4] == pytest.approx([1, 0.3, 1 / 4800])


def test_where_nothing_is_and_nothing_was_predicted_nothing_is_near() -> None:
    nothing = np.zeros((5, 5), bool)
    assert not np.any(frame_calibration(np.zeros((5, 5), np.float32), nothing, nothing).near)
