"""The conditions of a frame on pictures whose answer is known, and how Dice goes with one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sononerve.evaluate.conditions import depend, frame_conditions

TRUTH = np.zeros((100, 200), bool)
TRUTH[60:80, 140:180] = True


def test_size_depth_and_place_are_those_of_the_mask() -> None:
    found = frame_conditions(np.zeros((100, 200), np.uint8), TRUTH)
    assert found.size == pytest.approx(0.04)
    assert found.depth == pytest.approx(0.7)
    assert found.off_centre == pytest.approx(0.6)
    assert (found.brightness, found.contrast, found.sharpness) == (0, 0, 0)
    assert frame_conditions(np.zeros((100, 200), np.uint8), TRUTH & ~TRUTH) is None


def test_contrast_is_the_distance_of_the_greys_in_their_spreads() -> None:
    rng = np.random.default_rng(0)
    pixels = np.rint(np.where(TRUTH, rng.normal(140, 10, TRUTH.shape), rng.normal(100, 10, TRUTH.shape)))
    found = frame_conditions(pixels.astype(np.uint8), TRUTH)
    assert found.contrast == pytest.approx(40 / np.hypot(10, 10), rel=0.1)
    assert frame_conditions(255 - pixels.astype(np.uint8), TRUTH).contrast == pytest.approx(found.contrast)
    assert 100 < 255 * found.brightness < 140


def test_a_blurred_frame_is_less_sharp_whatever_its_gain() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 200, TRUTH.shape, np.uint8)
    sharp, blurred, dark = (
        frame_conditions(seen, TRUTH).sharpness
        for seen in (pixels, cv2.GaussianBlur(pixels, (0, 0), 2), pixels // 4 * 2)
    )
    assert blurred < sharp / 10
    assert dark == pytest.approx(sharp, rel=0.02)


def test_a_class_that_fills_the_frame_has_no_surroundings() -> None:
    everywhere = np.ones((20, 20), bool)
    found = frame_conditions(np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8), everywhere)
    assert (found.contrast, found.size) == (0, 1)


def test_thirds_hold_all_frames_in_the_order_of_the_condition() -> None:
    dice, condition = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.5], [1, 7, 2, 6, 3, 5, 4]
    found = depend(dice, condition, list("abcdefg"))
    assert [(part.lowest, part.highest, part.dice.frames) for part in found.parts] == [(1, 3, 3), (4, 5, 2), (6, 7, 2)]
    assert [part.dice.value for part in found.parts] == pytest.approx([0.2, 0.6, 0.85])
    assert found.correlation.value == pytest.approx(1)
    alike = depend([0.5, 0.5], [1, 1], ["a", "b"])
    assert alike.correlation is None
    assert len(alike.parts) == 1
