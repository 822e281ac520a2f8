"""Frames in, segmentations out, at the frame's own size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from bright import bright_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from sononerve.frame import Frame
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.predictor import Predictor, presence_of


@settings(max_examples=20)
@given(height=st.integers(1, 80), width=st.integers(1, 80))
def test_what_goes_in_comes_out_at_its_size(both: Predictor, height: int, width: int) -> None:
    answer = both.predict(Frame(np.full((height, width), 100, np.uint8)))
    assert answer.labels.shape == (height, width)
    assert answer.labels.dtype == np.uint8
    assert answer.probabilities.shape == (2, height, width)
    assert (answer.labels == 1).all()


def test_two_classes_have_their_labels_and_measurements(both: Predictor) -> None:
    answer = both.predict(Frame(bright_frame(vessel=True), spacing_mm=(0.5, 0.2)))
    expected = np.zeros((40, 60), np.uint8)
    expected[8:12, 20:30] = 1
    expected[20:23, 5:8] = 2
    assert np.array_equal(answer.labels, expected)
    nerve, vessel = answer.measurements
    assert (nerve.name, nerve.area_px, nerve.box, nerve.centroid) == ("nerve", 40, (20, 8, 10, 4), (24.5, 9.5))
    assert (vessel.name, vessel.area_px, vessel.box) == ("vessel", 9, (5, 20, 3, 3))
    assert nerve.area_mm2 == pytest.approx(40 * 0.5 * 0.2)


def test_a_class_that_is_not_told_is_background(both: Predictor) -> None:
    frame = Frame(bright_frame(vessel=True))
    whole, alone = both.predict(frame), Predictor(both.bundle, classes=("vessel",)).predict(frame)
    assert np.array_equal(alone.labels, (whole.labels == 2).astype(np.uint8))
    assert np.array_equal(alone.probabilities, whole.probabilities[1:])
    assert [one.name for one in alone.measurements] == ["vessel"]


def test_presence_is_that_of_the_first_class_told(both: Predictor) -> None:
    frame = Frame(bright_frame())  # a nerve, and no vessel
    assert both.predict(frame).presence > 0.1
    assert Predictor(both.bundle, classes=("vessel", "nerve")).predict(frame).presence == 0
    assert Predictor(both.bundle, classes=("nerve",)).predict(frame).presence == both.predict(frame).presence


def test_an_empty_frame_has_no_label_and_no_presence(nerve: Predictor) -> None:
    answer = nerve.predict(Frame(np.zeros((30, 30), np.uint8)))
    assert not answer.labels.any()
    assert answer.presence == 0
    assert answer.measurements[0].box is None


def test_presence_is_high_for_a_small_nerve_and_low_for_a_bright_pixel(nerve: Predictor) -> None:
    small, pixel = np.zeros((2, 100, 100), np.uint8)
    small[40:48, 40:48] = 100
    pixel[3, 3] = 100
    assert nerve.predict(Frame(small)).presence == pytest.approx(0.9)
    assert nerve.predict(Frame(pixel)).presence < 0.05


def test_presence_asks_for_as_much_as_the_models_nerves_cover() -> None:
    spot = np.zeros((100, 100), np.float32)
    spot[:10, :10] = 1  # 1 % of the frame
    assert presence_of(spot, 0.005) == 1
    assert presence_of(spot, 0.05) == pytest.approx(0.2)


@given(seed=st.integers(0, 1000), size=st.integers(1, 40))
def test_presence_is_a_probability(seed: int, size: int) -> None:
    found = presence_of(np.random.default_rng(seed).random((size, size), np.float32), 0.05)
    assert 0 <= found <= 1


def test_a_batch_is_its_frames_one_by_one(both: Predictor) -> None:
    frames = [Frame(np.roll(bright_frame(vessel=True), n, axis=1), source=str(n)) for n in range(3)]
    for answer, frame in zip(both.predict_batch(frames), frames, strict=True):
        alone = both.predict(frame)
        assert answer.frame is frame
        assert np.array_equal(answer.labels, alone.labels)
        assert answer.presence == alone.presence


def test_frames_of_two_sizes_are_no_batch(nerve: Predictor) -> None:
    with pytest.raises(ValueError, match="frames of 2 sizes; expected one size"):
        nerve.predict_batch([Frame(np.zeros((4, 4), np.uint8)), Frame(np.zeros((4, 5), np.uint8))])


def test_no_frames_are_no_answers(nerve: Predictor) -> None:
    assert nerve.predict_batch([]) == []


def test_threads_may_share_one_predictor(nerve: Predictor) -> None:
    frames = [Frame(np.roll(bright_frame(), n, axis=0)) for n in range(24)]
    expected = [nerve.predict(frame).labels for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda frame: nerve.predict(frame).labels, frames))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_change_the_answer(bundle: Path, nerve: Predictor, threads: int) -> None:
    frame = Frame(bright_frame())
    found = Predictor.load(bundle, EngineChoice(threads=threads)).predict(frame)
    assert np.array_equal(found.probabilities, nerve.predict(frame).probabilities)
