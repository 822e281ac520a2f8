"""Prepared frames are made once, shared by trainings, made again when anything changes, and never kept in memory."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from sononerve.data import canvases as module
from sononerve.data.canvases import Canvases, canvas_key, open_canvases
from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.io.cache import cache_folder

SIDES = Preprocess(height=32, width=48)
FRAMES = 6

AT_ONCE = """
import sys
from sononerve.data.canvases import open_canvases
from sononerve.data.dataset import load_dataset
from sononerve.data.preprocess import Preprocess
dataset = load_dataset(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
(canvases,) = open_canvases(dataset, [range(len(dataset))], Preprocess(height=32, width=48))
print(canvases.statistics(), type(canvases.pairs).__name__)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six phantom frames of 64 x 96."""
    return write(PhantomConfig(subjects=2, frames=3, height=64, width=96, empty=0), tmp_path / "frames")


def whole(dataset: Dataset, preprocess: Preprocess = SIDES, cache: bool = True) -> Canvases:
    """The canvases of all frames."""
    (found,) = open_canvases(dataset, [range(len(dataset))], preprocess, cache)
    return found


def files() -> list[Path]:
    """Everything in the cache, also what is half-written."""
    return sorted(cache_folder().iterdir()) if cache_folder().is_dir() else []


def assert_equal(one: Canvases, other: Canvases) -> None:
    assert len(one) == len(other)
    for i in range(len(one)):
        np.testing.assert_array_equal(one[i], other[i])


def no_decoding(patch: pytest.MonkeyPatch) -> None:
    """Whoever decodes a frame from now on fails."""

    def decoded(*_: object) -> None:
        raise AssertionError("a frame was decoded")

    patch.setattr(Dataset, "__getitem__", decoded)


def test_frames_are_scaled_with_their_masks_in_order_and_counted(folder: Path) -> None:
    dataset = load_dataset(folder)
    calls: list[tuple[int, int]] = []
    (found,) = open_canvases(dataset, [range(FRAMES)], SIDES, progress=lambda *n: calls.append(n))
    assert calls == [(i, FRAMES) for i in range(1, FRAMES + 1)]
    for i in range(FRAMES):
        frame, labels = found[i]
        assert frame.shape == labels.shape == (32, 48)
        np.testing.assert_array_equal(frame, SIDES.frame(dataset[i].frame.pixels))
        np.testing.assert_allclose([(labels == k).mean() for k in (1, 2)], dataset.areas[i], atol=0.01)


def test_the_second_training_decodes_nothing_and_sees_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(folder)
    memory = whole(dataset, cache=False)
    assert files() == []
    assert_equal(whole(dataset), memory)
    no_decoding(monkeypatch)
    assert_equal(whole(dataset), memory)
    assert len(files()) == 1


def test_parts_share_one_file_whatever_the_split_and_the_normalisation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(folder)
    memory = whole(dataset)
    no_decoding(monkeypatch)
    fixed = SIDES.model_copy(update={"normalisation": "fixed", "mean": 40.0, "std": 20.0})
    for parts in ([[4, 0], [1]], [[5], [2, 3]]):
        for part, found in zip(parts, open_canvases(dataset, parts, fixed), strict=True):
            for i, row in enumerate(part):
                np.testing.assert_array_equal(found[i], memory[row])
    assert len(files()) == 1


def test_statistics_are_those_of_all_grey_levels(folder: Path) -> None:
    dataset = load_dataset(folder)
    stored, memory = whole(dataset), whole(dataset, cache=False)
    frames = np.stack([memory[i][0] for i in range(FRAMES)])
    assert stored.statistics() == memory.statistics()
    np.testing.assert_allclose(stored.statistics(), (frames.mean(), frames.std()))


def replaced_with_its_old_time(path: Path) -> None:
    """Other content of the same size, put in place as by a copy that keeps times."""
    told = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def test_a_changed_frame_mask_or_setting_has_another_key(folder: Path) -> None:
    keys = [canvas_key(load_dataset(folder), SIDES)]
    assert canvas_key(load_dataset(folder), SIDES) == keys[0]
    for part in ("images", "masks"):
        replaced_with_its_old_time(folder / part / "1_0.png")
        keys.append(canvas_key(load_dataset(folder), SIDES) if part == "images" else canvas_key(load(folder), SIDES))
    dataset = load(folder)
    keys.append(canvas_key(dataset, SIDES.model_copy(update={"width": 64})))
    keys.append(canvas_key(dataset.select(range(5)), SIDES))
    keys.append(canvas_key(dataset.select([1, 0, 2, 3, 4, 5]), SIDES))
    assert len(set(keys)) == len(keys)
