"""More looks at a frame than one: the mean by hand, and nothing where they are off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bright import bright_files, bright_frame, even_files, rising_files

from sononerve.frame import Frame
from sononerve.runtime.bundle import write_bundle
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.ways import Ways

FLIP = Ways(flip=True)


def load(folder: Path, files: dict[str, bytes], ways: Ways = FLIP) -> Predictor:
    """A predictor of a bundle on disk."""
    write_bundle(folder / "bundle", files)
    return Predictor.load(folder / "bundle", ways=ways)


def test_a_flip_changes_nothing_where_the_answer_follows_the_frame(tmp_path: Path) -> None:
    """What is told by each pixel's own grey level is the same in the mirror."""
    frame = Frame(bright_frame())
    plain, both = load(tmp_path, bright_files(), Ways()).predict(frame), load(tmp_path, bright_files()).predict(frame)
    assert np.array_equal(both.labels, plain.labels)
    np.testing.assert_allclose(both.probabilities, plain.probabilities, atol=1e-7)
    assert both.presence == pytest.approx(plain.presence)
    np.testing.assert_allclose(both.uncertainty, 0, atol=1e-6)


def test_an_answer_that_ignores_the_mirror_is_averaged_by_hand(tmp_path: Path) -> None:
    """0.1, 0.2, 0.3, 0.4 and its mirror image."""
    found = load(tmp_path, rising_files()).predict(Frame(np.zeros((2, 4), np.uint8)))
    np.testing.assert_allclose(found.probabilities[0], np.full((2, 4), 0.25), atol=1e-6)
    # bits of entropy: 0.8113 of 0.25; 0.4690 of 0.1 and 0.9710 of 0.4; 0.7219 of 0.2 and 0.8813 of 0.3
    outer, inner = 0.8113 - (0.4690 + 0.9710) / 2, 0.8113 - (0.7219 + 0.8813) / 2
    np.testing.assert_allclose(found.uncertainty, [[outer, inner, inner, outer]] * 2, atol=1e-4)


def test_a_batch_is_flipped_frame_by_frame(tmp_path: Path) -> None:
    predictor = load(tmp_path, bright_files())
    frames = [Frame(np.roll(bright_frame(), n, axis=1)) for n in (0, 7)]
    for answer, frame in zip(predictor.predict_batch(frames), frames, strict=True):
        assert np.array_equal(answer.labels, (frame.pixels == 100).astype(np.uint8))


def test_presence_of_a_head_is_averaged_too(tmp_path: Path) -> None:
    found = load(tmp_path, even_files(0.2, presence=0.75)).predict(Frame(np.zeros((3, 5), np.uint8)))
    assert found.presence == pytest.approx(0.75)


def test_ways_are_off_by_default_and_then_nothing_is_uncertain(tmp_path: Path) -> None:
    predictor = load(tmp_path, bright_files(), Ways())
    assert predictor.predict(Frame(bright_frame())).uncertainty is None
    assert not predictor.tells_uncertainty
    assert predictor.identity == predictor.bundle.identity


def test_a_predictor_that_flips_is_another_one(tmp_path: Path) -> None:
    assert load(tmp_path, bright_files()).identity != load(tmp_path, bright_files(), Ways()).identity
