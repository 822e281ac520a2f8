"""Answers that hold from frame to frame, and let go when the scene changes."""

from __future__ import annotations

import numpy as np
import pytest

from sononerve.frame import Frame
from sononerve.runtime.answer import Answer
from sononerve.runtime.smoothing import Smoother, Smoothing

HEIGHT, WIDTH, PLACE = 120, 160, 60


def tissue(shift: int = 0, seed: int = 0) -> np.ndarray:
    """Smooth blobs, moved to the right by so many columns."""
    rng = np.random.default_rng(seed)
    knots = rng.integers(20, 230, (12, 32)).astype(np.float32)
    whole = np.kron(knots, np.ones((10, 10), np.float32))
    kernel = np.ones(9, np.float32) / 9
    for axis in (0, 1):
        whole = np.apply_along_axis(np.convolve, axis, whole, kernel, "same")
    return np.ascontiguousarray(whole[:, 80 - shift : 80 - shift + WIDTH]).astype(np.uint8)


def frame(time_s: float | None, shift: int = 0, seed: int = 0) -> Frame:
    return Frame(tissue(shift, seed), time_s=time_s)


def answer(sure: float = 1.0, shift: int = 0) -> Answer:
    """A nerve of 20 x 30 pixels, seen so surely; a box and a presence beside it."""
    probabilities = np.zeros((1, 1, HEIGHT, WIDTH), np.float32)
    probabilities[0, 0, 50:70, PLACE + shift : PLACE + 30 + shift] = sure
    box = np.array([[(PLACE + 15 + shift) / WIDTH, 0.5, 30 / WIDTH, 20 / HEIGHT]], np.float32)
    return Answer(probabilities, np.array([sure], np.float32), None, box)


def test_an_answer_weighs_a_third_after_the_time() -> None:
    smooth = Smoother(Smoothing(0.2, motion=False), 0.04)
    smooth(frame(0.0), answer(1.0))
    later = smooth(frame(0.2), answer(0.0))
    left = np.exp(-1)
    assert later.probabilities[0, 0, 60, 70] == pytest.approx(left, abs=1e-3)
    assert later.presence is not None
    assert later.presence[0] == pytest.approx(left, abs=1e-3)


def test_one_missed_frame_is_bridged_and_a_nerve_that_left_is_let_go() -> None:
    smooth = Smoother(Smoothing(0.15, motion=False), 0.04)
    for number in range(5):
        smooth(frame(number * 0.04), answer(1.0))
    missed = smooth(frame(0.2), answer(0.0))
    assert missed.probabilities.max() > 0.5
    for number in range(6, 20):
        gone = smooth(frame(number * 0.04), answer(0.0))
    assert gone.probabilities.max() < 0.05


def test_what_is_remembered_moves_with_the_tissue() -> None:
    along, still = Smoother(Smoothing(0.5), 0.04), Smoother(Smoothing(0.5, motion=False), 0.04)
    for smooth in (along, still):
        smooth(frame(0.0), answer(1.0))
    moved = along(frame(0.04, shift=6), answer(0.0, shift=6)).probabilities[0, 0] > 0.5
    stayed = still(frame(0.04, shift=6), answer(0.0, shift=6)).probabilities[0, 0] > 0.5
    wanted = answer(1.0, shift=6).probabilities[0, 0] > 0.5
    overlap = [2 * (one & wanted).sum() / (one.sum() + wanted.sum()) for one in (moved, stayed)]
    assert overlap[0] > 0.9 > overlap[1]


def test_another_scene_is_seen_with_fresh_eyes() -> None:
    for motion in (True, False):
        smooth = Smoother(Smoothing(1.0, motion), 0.04)
        smooth(frame(0.0), answer(1.0))
        assert smooth(frame(0.04, seed=5), answer(0.0)).probabilities.max() == 0


def test_time_that_goes_back_or_another_size_starts_anew() -> None:
    smooth = Smoother(Smoothing(1.0), 0.04)
    smooth(frame(5.0), answer(1.0))
    assert smooth(frame(1.0), answer(0.0)).probabilities.max() == 0
    cut = Frame(tissue()[:100], time_s=1.04)
    assert smooth(cut, Answer(np.zeros((1, 1, 100, WIDTH), np.float32), None, None)).probabilities.max() == 0


def test_frames_without_times_are_as_far_apart_as_usual() -> None:
    smooth = Smoother(Smoothing(0.2, motion=False), 0.2)
    smooth(frame(None), answer(1.0))
    assert smooth(frame(None), answer(0.0)).probabilities[0, 0, 60, 70] == pytest.approx(np.exp(-1), abs=1e-3)


def test_no_time_smooths_nothing() -> None:
    smooth = Smoother(Smoothing(0.0), 0.04)
    smooth(frame(0.0), answer(1.0))
    given = answer(0.3)
    assert smooth(frame(0.04), given) is given


def test_a_cut_to_black_is_another_scene() -> None:
    for motion in (True, False):
        smooth = Smoother(Smoothing(1.0, motion), 0.04)
        smooth(frame(0.0), answer(1.0))
        black = Frame(np.zeros((HEIGHT, WIDTH), np.uint8), time_s=0.04)
        assert smooth(black, answer(0.0)).probabilities.max() == 0


@pytest.mark.parametrize("shape", [(60, 800), (9, 200), (10, 40), (5, 5), (1, 300)])
def test_thin_and_tiny_frames_are_smoothed_too(shape: tuple[int, int]) -> None:
    smooth = Smoother(Smoothing(0.2), 0.04)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape).astype(np.uint8)
    for number in range(3):
        sure = np.full((1, 1, *shape), 1.0 if number < 2 else 0.0, np.float32)
        found = smooth(Frame(pixels, time_s=0.04 * number), Answer(sure, None, None))
    assert found.probabilities.min() > 0.5


def test_equal_times_are_no_reason_to_forget() -> None:
    smooth = Smoother(Smoothing(0.2, motion=False), 0.04)
    smooth(frame(0.0), answer(1.0))
    assert smooth(frame(0.0), answer(0.0)).probabilities.max() > 0.5


def test_a_box_without_a_size_is_not_averaged() -> None:
    smooth = Smoother(Smoothing(0.2, motion=False), 0.04)
    first = smooth(frame(0.0), answer(1.0)).box
    filtered = Answer(answer(0.0).probabilities, np.zeros(1, np.float32), None, np.zeros((1, 4), np.float32))
    kept = smooth(frame(0.04), filtered).box
    assert kept is not None
    assert first is not None
    assert np.array_equal(kept, first)


def test_each_class_is_smoothed_for_itself() -> None:
    smooth = Smoother(Smoothing(0.2, motion=False), 0.2)
    both = np.concatenate([answer(1.0).probabilities, answer(0.4, shift=40).probabilities], axis=1)
    smooth(frame(0.0), Answer(both, None, None))
    found = smooth(frame(0.2), Answer(np.zeros_like(both), None, None)).probabilities[0]
    assert found[0, 60, 70] == pytest.approx(np.exp(-1), abs=1e-3)
    assert found[1, 60, 110] == pytest.approx(0.4 * np.exp(-1), abs=1e-3)
    assert found[1, 60, 70] == 0


def test_black_frames_do_no_harm() -> None:
    smooth = Smoother(Smoothing(0.2), 0.04)
    black = np.zeros((HEIGHT, WIDTH), np.uint8)
    smooth(Frame(black, time_s=0.0), answer(0.0))
    assert np.isfinite(smooth(Frame(black, time_s=0.04), answer(0.0)).probabilities).all()


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 10"):
        Smoothing(-1)
