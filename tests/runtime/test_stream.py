"""A clip in, answers out in order; a camera's frames are dropped rather than waited for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bright import bright_frame

sys.path.insert(0, str(Path(__file__).parents[1]))  # clips.py lives there

from clips import write_clip

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.io.stream import MOST_GARBLED, Stream, open_camera, open_file
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.smoothing import Smoothing
from sononerve.runtime.stream import segment_stream

RAW = Smoothing(0)


def stream(frames: Iterator[Frame], live: bool = False) -> Stream:
    return Stream("test", 20.0, live, None, lambda: frames)


def bright(count: int, **others: float) -> Iterator[Frame]:
    return (Frame(bright_frame(), **others) for _ in range(count))


def test_every_frame_of_a_file_is_segmented(nerve: Predictor, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.avi", [bright_frame() for _ in range(12)], "FFV1", fps=10)
    moments = list(segment_stream(nerve, open_file(clip, (0.1, 0.1)), RAW))
    assert [moment.index for moment in moments] == list(range(12))
    assert [round(moment.time_s, 3) for moment in moments] == [i / 10 for i in range(12)]
    assert all(moment.segmentation.measurements[0].area_mm2 == pytest.approx(0.4) for moment in moments)
    assert {region.track for moment in moments for region in moment.regions} == {1}


def test_frames_without_times_get_them(nerve: Predictor) -> None:
    moments = list(segment_stream(nerve, stream(bright(3)), RAW))
    assert [moment.time_s for moment in moments] == [0, 0.05, 0.1]


def test_smoothing_bridges_a_frame_without_a_nerve(nerve: Predictor) -> None:
    dark = bright_frame()
    dark[dark == 100] = 99
    shown = [bright_frame(), bright_frame(), dark, bright_frame()]
    steady = segment_stream(nerve, stream(Frame(p) for p in shown), Smoothing(0.3))
    assert [moment.segmentation.measurements[0].area_px for moment in steady] == [40] * 4
    raw = segment_stream(nerve, stream(Frame(p) for p in shown), RAW)
    assert [moment.segmentation.measurements[0].area_px for moment in raw] == [40, 40, 0, 40]


def test_a_live_stream_drops_frames_and_keeps_their_numbers(nerve: Predictor) -> None:
    taken: list[int] = []

    def camera() -> Iterator[Frame]:
        for number in range(400):
            taken.append(number)
            yield Frame(bright_frame(), time_s=number * 0.001)

    moments = list(segment_stream(nerve, stream(camera(), live=True), RAW))
    assert len(moments) + moments[-1].dropped == len(taken) == 400
    assert [m.index for m in moments] == sorted({m.index for m in moments})
    assert moments[-1].index == 399
    assert moments[-1].dropped > 0


def test_a_frame_of_another_size_ends_it(nerve: Predictor) -> None:
    frames = iter([Frame(bright_frame()), Frame(bright_frame(height=50))])
    found = segment_stream(nerve, stream(frames), RAW)
    next(found)
    with pytest.raises(InputError, match="expected one size"):
        next(found)


def test_a_tiff_of_many_pages_is_a_stream_too(nerve: Predictor, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.stack([bright_frame()] * 3), photometric="minisblack")
    opened = open_file(tmp_path / "a.tif")
    assert (opened.promised, opened.fps) == (3, 25)
    assert len(list(segment_stream(nerve, opened, RAW))) == 3


class FakeCamera:
    """A camera of five frames a second that is unplugged after three."""

    def __init__(self, number: int) -> None:
        self.left, self.released = 3, False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def get(self, what: int) -> float:
        return 5.0

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.repeat(bright_frame()[..., None], 3, axis=2)

    def release(self) -> None:
        self.released = True


def test_a_camera_is_read_until_it_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(0)
    monkeypatch.setattr("sononerve.io.stream.cv2.VideoCapture", lambda _: camera)
    opened = open_camera(0, (0.1, 0.1))
    assert (opened.live, opened.fps, opened.name) == (True, 5.0, "camera-0")
    frames = opened.open()
    found = [next(frames) for _ in range(3)]
    assert all(np.array_equal(frame.pixels, bright_frame()) for frame in found)
    assert found[0].time_s == 0
    assert found[0].spacing_mm == (0.1, 0.1)
    with pytest.raises(InputError, match="camera-0: gives no more frames"):
        next(frames)
    assert camera.released


def test_a_garbled_frame_of_a_camera_is_passed_over_and_many_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(0)
    camera.left = 60
    whole = iter([True, False, True, *[False] * MOST_GARBLED])
    monkeypatch.setattr(camera, "retrieve", lambda: (next(whole), np.repeat(bright_frame()[..., None], 3, axis=2)))
    monkeypatch.setattr("sononerve.io.stream.cv2.VideoCapture", lambda _: camera)
    frames = open_camera(0).open()
    assert [np.array_equal(next(frames).pixels, bright_frame()) for _ in range(2)] == [True, True]
    with pytest.raises(InputError, match=r"camera-0: 25 frames behind each other cannot be read; .*8 bits.*cable"):
        next(frames)
    assert camera.released


def test_a_camera_is_released_when_nobody_asks_any_more(nerve: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(0)
    camera.left = 10**9
    monkeypatch.setattr("sononerve.io.stream.cv2.VideoCapture", lambda _: camera)
    moments = segment_stream(nerve, open_camera(0), RAW)
    next(moments)
    moments.close()
    assert camera.released


def test_times_that_do_not_go_on_are_replaced(nerve: Predictor) -> None:
    frames = (Frame(bright_frame(), time_s=time) for time in (0.0, 0.0, 0.0, 5.0, 1.0))
    found = [moment.time_s for moment in segment_stream(nerve, stream(frames), RAW)]
    assert found == pytest.approx([0, 0.05, 0.1, 5.0, 5.05])


def test_a_camera_that_is_not_there_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="camera-97: the system has none of this number"):
        open_camera(97)
    capfd.readouterr()  # what OpenCV says of it
