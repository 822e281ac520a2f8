"""What is kept of a clip."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bright import bright_files, bright_frame

sys.path.insert(0, str(Path(__file__).parents[1]))  # clips.py lives there

from clips import write_clip

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.io import video
from sononerve.io.clip import Clip
from sononerve.io.stream import Stream
from sononerve.runtime.bundle import write_bundle
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.recording import Kept, record
from sononerve.runtime.smoothing import Smoothing
from sononerve.runtime.stream import Moment, segment_stream

Cli = Callable[..., tuple[int, str, str]]
COUNT = 12


def frames_of(count: int = COUNT) -> list[np.ndarray]:
    """The nerve goes right by a column a frame; a vessel is there from the middle on."""
    shown = []
    for number in range(count):
        pixels = np.roll(bright_frame(), number, axis=1)
        if number >= count // 2:
            pixels[20:25, 5:10] = 200
        shown.append(pixels)
    return shown


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "neck.avi", frames_of(), "FFV1", fps=10)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "model", bright_files(("nerve", "vessel")))
    return tmp_path / "model"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_clip_becomes_a_table_a_video_masks_and_a_plot(cli: Cli, clip: Path, model: Path, tmp_path: Path) -> None:
    status, out, _ = cli(
        "video", clip, "--model", model, "--out", tmp_path / "out", "--masks", "video", "--smooth", 0,
        "--spacing-mm", "0.5,0.5",
    )  # fmt: skip
    assert status == 0
    assert "12 frames" in out
    home = tmp_path / "out" / "neck"
    assert {p.name for p in home.iterdir()} == {
        *("frames.csv", "overlay.mp4", "masks-1.avi", "masks-2.avi", "summary.json", "area.png", "area.svg"),
    }
    table = rows(home / "frames.csv")
    nerve = [row for row in table if row["class"] == "nerve"]
    assert [int(row["frame"]) for row in nerve] == list(range(COUNT))
    assert {row["track"] for row in nerve} == {"1"}
    assert [float(row["centroid_x"]) for row in nerve] == [24.5 + i for i in range(COUNT)]
    assert [float(row["time_s"]) for row in nerve] == [i / 10 for i in range(COUNT)]
    assert {float(row["area_mm2"]) for row in nerve} == {10}
    assert [int(row["frame"]) for row in table if row["class"] == "vessel"] == list(range(COUNT // 2, COUNT))
    kept = [frame.pixels for frame in video.read_all(home / "masks-1.avi")]
    assert [np.array_equal(mask == 255, shown == 100) for mask, shown in zip(kept, frames_of(), strict=True)]
    assert len(list(video.read_all(home / "overlay.mp4"))) == COUNT
    assert json.loads((home / "summary.json").read_text())["tracks"] == 2


def test_masks_as_arrays_are_exact(cli: Cli, clip: Path, model: Path, tmp_path: Path) -> None:
    status, out, _ = cli(
        "video", clip, "--model", model, "--out", tmp_path / "out", "--masks", "npz", "--smooth", 0, "--no-drawn",
        "--json",
    )  # fmt: skip
    assert status == 0
    assert json.loads(out)[0]["frames"] == COUNT
    home = tmp_path / "out" / "neck"
    assert not (home / "overlay.mp4").exists()
    with np.load(home / "masks.npz", allow_pickle=False) as masks:
        assert len(masks.files) == COUNT
        for number, shown in enumerate(frames_of()):
            assert np.array_equal(masks[f"{number:06}"], (shown == 100) + 2 * (shown == 200))


def test_a_recording_is_replaced_only_when_told_and_nothing_else_is(
    cli: Cli, clip: Path, model: Path, tmp_path: Path
) -> None:
    call = ("video", clip, "--model", model, "--out", tmp_path / "out")
    assert cli(*call)[0] == 0
    status, _, err = cli(*call)
    assert status == 2
    assert "is there already" in err
    assert cli(*call, "--overwrite", "--seconds", 0.35)[0] == 0
    assert json.loads((tmp_path / "out" / "neck" / "summary.json").read_text())["frames"] == 4
    (tmp_path / "out" / "neck" / "summary.json").unlink()
    status, _, err = cli(*call, "--overwrite")
    assert status == 2
    assert "is not a recording" in err
    assert (tmp_path / "out" / "neck" / "frames.csv").exists()


def test_a_bad_clip_does_not_stop_the_rest(cli: Cli, clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video at all")
    status, out, err = cli("video", tmp_path / "bad.mp4", clip, "--model", model, "--out", tmp_path / "out")
    assert status == 1
    assert "bad.mp4: not a video" in err
    assert "12 frames" in out
    assert not (tmp_path / "out" / "bad").exists()


def test_a_clip_that_ends_early_is_recorded_with_a_warning(cli: Cli, clip: Path, model: Path, tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "cut.avi", frames_of(40), "FFV1").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    status, out, err = cli("video", tmp_path / "cut.avi", "--model", model, "--out", tmp_path / "out")
    assert status == 0
    frames = json.loads((tmp_path / "out" / "cut" / "summary.json").read_text())["frames"]
    assert 0 < frames < 40
    assert f"warning: {tmp_path / 'cut.avi'}: ends after {frames} of 40 frames" in " ".join(err.split())
    assert "frames" in out


def test_a_folder_is_said_to_be_one(cli: Cli, model: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    status, _, err = cli("video", tmp_path / "clips", "--model", model, "--out", tmp_path / "out")
    assert status == 1
    assert "is a folder; expected a file" in err


def test_two_clips_of_one_name_are_refused(cli: Cli, clip: Path, model: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "b" / "neck.avi", frames_of(2), "FFV1")
    status, _, err = cli("video", clip, other, "--model", model, "--out", tmp_path / "out")
    assert status == 2
    assert "another source would be written" in err


def moments_of(model: Path, frames: Iterator[Frame], live: bool = False) -> Iterator[Moment]:
    stream = Stream("test", 10.0, live, None, lambda: frames)
    return segment_stream(Predictor.load(model), stream, Smoothing(0))


def test_what_came_before_an_error_is_kept(model: Path, tmp_path: Path) -> None:
    def breaking() -> Iterator[Frame]:
        for pixels in frames_of(5):
            yield Frame(pixels)
        raise InputError("clip.mp4: frame 5 cannot be decoded")

    summary = record(moments_of(model, breaking()), tmp_path / "kept", "clip.mp4", "m", 10.0, Kept())
    assert (summary.frames, summary.fault) == (5, "clip.mp4: frame 5 cannot be decoded")
    assert len({row["frame"] for row in rows(tmp_path / "kept" / "frames.csv")}) == 5
    assert len(list(video.read_all(tmp_path / "kept" / "overlay.mp4"))) == 5
    assert {p.name for p in tmp_path.iterdir()} == {"kept", "model"}


def test_ctrl_c_ends_a_recording_whole(model: Path, tmp_path: Path) -> None:
    def stopped(moments: Iterator[Moment]) -> Iterator[Moment]:
        for moment in moments:
            if moment.index == 4:
                raise KeyboardInterrupt
            yield moment

    frames = (Frame(pixels) for pixels in frames_of())
    summary = record(stopped(moments_of(model, frames)), tmp_path / "kept", "camera-0", "m", 10.0, Kept())
    assert (summary.frames, summary.interrupted) == (4, True)
    assert len(list(video.read_all(tmp_path / "kept" / "overlay.mp4"))) == 4


def test_a_writer_that_fails_leaves_nothing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(clip: Clip, pixels: np.ndarray, missing: int = 0) -> None:
        raise OSError(28, "No space left on device", "overlay.mp4")

    monkeypatch.setattr(Clip, "add", full)
    frames = (Frame(pixels) for pixels in frames_of())
    with pytest.raises(OSError, match="No space left"):
        record(moments_of(model, frames), tmp_path / "kept", "test", "m", 10.0, Kept())
    assert {p.name for p in tmp_path.iterdir()} == {"model"}


def test_what_is_no_recording_is_never_replaced(model: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "thesis.txt").write_text("mine")
    frames = (Frame(pixels) for pixels in frames_of(2))
    with pytest.raises(InputError, match="is not a recording and is not replaced"):
        record(moments_of(model, frames), tmp_path / "kept", "test", "m", 10.0, Kept())
    assert (tmp_path / "kept" / "thesis.txt").read_text() == "mine"


def test_a_stream_without_frames_leaves_nothing(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame came"):
        record(moments_of(model, iter(())), tmp_path / "kept", "test", "m", 10.0, Kept())
    assert {p.name for p in tmp_path.iterdir()} == {"model"}


def test_dropped_frames_are_bridged_so_that_the_video_keeps_the_time(model: Path, tmp_path: Path) -> None:
    every = list(moments_of(model, (Frame(pixels) for pixels in frames_of())))
    some = [every[0], every[3], every[11]]
    summary = record(iter(some), tmp_path / "kept", "camera-0", "m", 10.0, Kept(masks="video"), live=True)
    assert summary.frames == 3
    kept = [frame.pixels for frame in video.read_all(tmp_path / "kept" / "masks-1.avi")]
    assert len(kept) == COUNT
    assert [int(np.flatnonzero(mask.any(0))[0]) for mask in kept] == [20, 20, 20, *[23] * 8, 31]


def test_a_frame_without_a_nerve_has_a_row(model: Path, tmp_path: Path) -> None:
    dark = [Frame(np.zeros((40, 60), np.uint8)) for _ in range(3)]
    record(moments_of(model, iter(dark)), tmp_path / "kept", "test", "m", 10.0, Kept())
    table = rows(tmp_path / "kept" / "frames.csv")
    assert [(row["frame"], row["class"], row["area_px"]) for row in table] == [(str(i), "", "") for i in range(3)]
