"""Prepared frames are made once, shared by trainings, made again when anything changes, and never kept in memory."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.canvases import Canvases, canvas_key, open_canvases
from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.io.cache import cache_folder, remove_cached

Fault = Callable[[Path, pytest.MonkeyPatch], None]

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


def test_a_changed_frame_mask_order_or_setting_has_another_key(folder: Path) -> None:
    dataset = load_dataset(folder)
    keys = [canvas_key(dataset, SIDES)]
    assert canvas_key(load_dataset(folder), SIDES) == keys[0]
    for part in ("images", "masks"):  # replaced as by a copy that restores times
        path = folder / part / "1_0.png"
        told, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-1] + b"x")
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        keys.append(canvas_key(dataset, SIDES))
    keys.append(canvas_key(dataset, SIDES.model_copy(update={"width": 64})))
    keys.append(canvas_key(dataset.select([0, 1, 2]), SIDES))
    keys.append(canvas_key(dataset.select([1, 0, 2]), SIDES))
    keys.append(canvas_key(replace(dataset, classes=("nerve",)), SIDES))
    assert len(set(keys)) == len(keys)


def test_a_changed_mask_is_seen_by_the_next_training(folder: Path) -> None:
    before = whole(load_dataset(folder))
    shutil.copy(folder / "masks" / "1_1.png", folder / "masks" / "1_0.png")
    after = whole(load_dataset(folder))
    np.testing.assert_array_equal(after[0][1], before[1][1])
    assert (after[0][1] != before[0][1]).any()


def test_a_changed_table_of_boxes_is_seen(data_folder) -> None:
    """The masks of all frames are in one file."""
    data_folder.image("images/a.png")
    sums = []
    for width in (5, 6):
        data_folder.manifest(f'images/a.png,,"[[1, 2, {width}, 6]]"', header="image,mask,boxes_xywh")
        found = whole(load_dataset(data_folder.path), Preprocess(height=24, width=32))
        sums.append(int(found[0][1].sum()))
    assert sums == [30, 36]


@pytest.mark.parametrize("cut", [0, 5, 100, 5000])
def test_a_damaged_file_is_made_again(folder: Path, cut: int) -> None:
    dataset = load_dataset(folder)
    memory = whole(dataset, cache=False)
    whole(dataset)
    (file,) = files()
    content = file.read_bytes()
    for damage in (content[:cut], bytes(cut) + content[cut:] if 0 < cut < 200 else content + bytes(cut + 1)):
        file.write_bytes(damage)
        assert_equal(whole(dataset), memory)
        assert files() == [file]
        assert file.read_bytes() == content


def test_two_processes_that_begin_at_once_both_get_the_frames(folder: Path) -> None:
    command = [sys.executable, "-c", AT_ONCE, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=120)[0] for process in processes]
    memory = whole(load_dataset(folder), cache=False)
    assert told == [f"{memory.statistics()} StoredPairs\n"] * 2
    assert len(files()) == 1


def test_a_build_that_ends_half_way_leaves_nothing_and_the_next_one_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset(folder)
    bad = folder / "images" / "2_2.png"
    good = bad.read_bytes()
    bad.write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match=r"2_2\.png"):
        whole(dataset)
    assert files() == []
    bad.write_bytes(good)
    assert_equal(whole(dataset), whole(dataset, cache=False))


def test_data_that_changes_while_it_is_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(folder)

    def changing(done: int, total: int) -> None:
        if done == total:
            (folder / "images" / "1_0.png").touch()

    with pytest.raises(InputError, match="changed while it was read; train again"):
        open_canvases(dataset, [range(FRAMES)], SIDES, progress=changing)
    assert files() == []


def full_disk(home: Path, patch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home.parent)
    patch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))


def disk_that_fills_up(home: Path, patch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(28, "No space left on device")

    patch.setattr("os.fsync", fsync)


def no_folder(home: Path, patch: pytest.MonkeyPatch) -> None:
    home.write_text("a file")


def read_only_folder(home: Path, patch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (home / "canvases").mkdir(parents=True, mode=0o555)


@pytest.mark.parametrize("fault", [full_disk, disk_that_fills_up, no_folder, read_only_folder])
def test_without_a_place_on_disk_frames_stay_in_memory_and_a_line_says_so(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    dataset = load_dataset(folder)
    with monkeypatch.context() as patch:
        fault(home, patch)
        found = whole(dataset)
    said = capsys.readouterr().err
    assert said.startswith("warning: prepared frames are kept in memory, not on disk (")
    assert said.count("\n") == 1
    assert files() == []
    assert_equal(found, whole(dataset, cache=False))


def test_memory_does_not_grow_with_the_data(folder: Path) -> None:
    """300 frames of 256 x 256 with labels are 39 MB."""
    preprocess = Preprocess(height=256, width=256)
    dataset = load_dataset(folder).select([i % FRAMES for i in range(300)])
    tracemalloc.start()
    try:
        found = whole(dataset, preprocess)
        found.statistics()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 300
    assert peak < 12e6


def test_another_process_reads_the_same_file(folder: Path) -> None:
    stored = whole(load_dataset(folder))
    content = pickle.dumps(stored)  # as a start of worker processes does
    assert len(content) < 2000
    assert_equal(pickle.loads(content), stored)


def test_frames_in_use_stay_readable_and_are_not_removed(folder: Path) -> None:
    dataset = load_dataset(folder)
    stored = whole(dataset)
    (file,) = files()
    assert not remove_cached(file)
    np.testing.assert_array_equal(stored[5], whole(dataset, cache=False)[5])
    del stored
    assert remove_cached(file)
    assert files() == []
