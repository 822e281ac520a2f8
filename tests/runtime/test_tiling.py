"""Large frames are looked at in pieces, and the answer is one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml
from bright import bright_files, bright_frame, even_files, rising_files
from hypothesis import given
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.frame import Area, Frame
from sononerve.runtime.answer import Answer
from sononerve.runtime.bundle import CONFIG, write_bundle
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.tiling import joined, tiles_of
from sononerve.runtime.ways import Ways


@given(height=st.integers(1, 300), width=st.integers(1, 300), side=st.integers(32, 200))
def test_tiles_cover_the_frame_and_overlap(height: int, width: int, side: int) -> None:
    tiles = tiles_of((height, width), side)
    covered = np.zeros((height, width), int)
    for tile in tiles:
        assert 0 <= tile.top < tile.bottom <= height
        assert 0 <= tile.left < tile.right <= width
        assert tile.shape == tiles[0].shape
        covered[tile.slices] += 1
    assert covered.min() >= 1
    lefts = sorted({tile.left for tile in tiles})
    assert all(right - left <= 0.75 * side + 1 for left, right in itertools.pairwise(lefts))


@given(height=st.integers(40, 120), width=st.integers(40, 120))
def test_equal_answers_stay_what_they_are(height: int, width: int) -> None:
    tiles = tiles_of((height, width), 40)
    shape = tiles[0].shape
    each = Answer(np.full((1, 2, *shape), 0.3, np.float32), None, np.full((1, *shape), 0.1, np.float32))
    whole = joined([each] * len(tiles), tiles, (height, width))
    assert np.allclose(whole.probabilities, 0.3, atol=1e-6)
    assert whole.probabilities.shape == (1, 2, height, width)
    assert whole.disagreement is not None
    assert np.allclose(whole.disagreement, 0.1, atol=1e-6)


def load(tmp_path: Path, files: dict[str, bytes], ways: Ways) -> Predictor:
    write_bundle(tmp_path / "bundle", files)
    return Predictor.load(tmp_path / "bundle", ways=ways)


def test_pieces_are_looked_at_alone_and_put_where_they_are(tmp_path: Path) -> None:
    pixels = np.full((60, 200), 30, np.uint8)
    pixels[8:12, 20:30] = 100
    pixels[40:50, 150:190] = 200
    predictor = load(tmp_path, bright_files(("nerve", "vessel")), Ways(tile=64))
    answer = predictor.predict(Frame(pixels))
    assert np.array_equal(answer.labels, (pixels == 100) + 2 * (pixels == 200))
    assert predictor.identity.endswith("+tile=64")


def test_the_network_sees_tiles_and_no_more(tmp_path: Path) -> None:
    """This one counts columns from the left of what it sees."""
    answer = load(tmp_path, rising_files(), Ways(tile=40)).look([Frame(np.zeros((20, 70), np.uint8))])
    row = answer.probabilities[0, 0, 10]
    assert row[0] == pytest.approx(0.1)
    assert row[69] == pytest.approx(4.0, abs=1e-4)
    assert (np.diff(row[:29]) > 0).all()


def test_a_frame_that_is_not_larger_is_looked_at_as_ever(tmp_path: Path) -> None:
    frame = Frame(bright_frame())
    plain = load(tmp_path / "a", bright_files(), Ways())
    tiled = load(tmp_path / "b", bright_files(), Ways(tile=60))
    assert np.array_equal(plain.predict(frame).probabilities, tiled.predict(frame).probabilities)


def test_presence_and_box_are_those_of_the_surest_tile(tmp_path: Path) -> None:
    tiles = [Area(0, 40, 0, 40), Area(0, 40, 40, 80)]
    looks = [
        Answer(np.zeros((1, 1, 40, 40), np.float32), np.array([sure], np.float32), None, np.array([box], np.float32))
        for sure, box in ((0.2, (0.1, 0.1, 0.1, 0.1)), (0.9, (0.5, 0.25, 0.5, 0.5)))
    ]
    whole = joined(looks, tiles, (40, 80))
    assert whole.presence is not None
    assert whole.box is not None
    assert whole.presence[0] == pytest.approx(0.9)
    assert whole.box[0].tolist() == pytest.approx([0.75, 0.25, 0.25, 0.5])
    told = load(tmp_path, even_files(0.5, presence=0.7, box=(0.5, 0.5, 0.5, 0.5)), Ways(tile=40))
    assert told.predict(Frame(np.zeros((40, 100), np.uint8))).presence == pytest.approx(0.7)


def test_batches_are_answered_frame_by_frame(tmp_path: Path) -> None:
    first, second = (np.full((40, 90), 30, np.uint8) for _ in range(2))
    first[5:10, 5:10] = 100
    second[20:30, 70:80] = 100
    found = load(tmp_path, bright_files(), Ways(tile=50)).predict_batch([Frame(first), Frame(second)])
    assert [int(one.labels.sum()) for one in found] == [25, 100]


def test_a_nerve_of_a_tile_is_not_lost_in_a_panorama(tmp_path: Path) -> None:
    """Presence and areas are those of what the network sees, and a nerve fills less of a panorama."""
    files = bright_files()
    rules = {"presence": 0.3, "classes": [{"least_area": 0.01}]}
    recorded = yaml.safe_load(files[CONFIG]) | {"postprocess": rules, "nerve_share": 0.03}
    pixels = np.full((64, 640), 30, np.uint8)
    pixels[20:30, 300:312] = 100
    ruled = files | {CONFIG: yaml.safe_dump(recorded).encode()}
    whole = load(tmp_path / "a", ruled, Ways()).predict(Frame(pixels))
    tiled = load(tmp_path / "b", ruled, Ways(tile=64)).predict(Frame(pixels))
    assert whole.measurements[0].area_px == 0
    assert tiled.measurements[0].area_px == 120
    assert tiled.presence > 0.8


def test_tiles_are_mirrored_too(tmp_path: Path) -> None:
    pixels = np.full((40, 120), 30, np.uint8)
    pixels[10:20, 70:90] = 100
    answer = load(tmp_path, bright_files(), Ways(flip=True, tile=50)).predict(Frame(pixels))
    assert np.array_equal(answer.labels == 1, pixels == 100)
    assert answer.uncertainty is not None
    assert answer.uncertainty.max() < 1e-6


def test_tiny_tiles_are_refused() -> None:
    with pytest.raises(InputError, match="--tile 8: expected at least 32"):
        Ways(tile=8)
