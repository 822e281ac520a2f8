"""Frames in the order of time: of a file, all of them, or of a camera, as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from ..errors import InputError
from ..frame import Frame, Spacing
from . import frames, video
from .images import to_gray

MOST_GARBLED = 25  # a second or so
USUAL_FPS = 25.0  # where nothing tells it


@dataclass(frozen=True)
class Stream:
    """Where frames come from.

    ``name``: for messages and files. ``fps``: frames a second as it is told, or as usual. ``live``: whether frames come
    by themselves, whoever looks or not. ``promised``: how many there should be, None where that is unknown.
    ``open``: starts from the beginning, and yields frames with their times.
    """

    name: str
    fps: float
    live: bool
    promised: int | None
    open: Callable[[], Iterator[Frame]]


def open_stream(source: Path | str | int, spacing_mm: Spacing | None = None) -> Stream:
    """A file of frames, or the camera of a number.

    ``spacing_mm``: of frames that do not tell their own, (row, column). Raises `InputError` for what cannot be read.
    """
    return open_camera(source, spacing_mm) if isinstance(source, int) else open_file(Path(source), spacing_mm)


def open_file(path: Path, spacing_mm: Spacing | None = None) -> Stream:
    """The frames of a video, DICOM or NIfTI file, or of a TIFF of many pages.

    ``spacing_mm``: of a file that does not tell its own. Raises `InputError` for a file that cannot be read.
    """
    header = frames.read_header(path)
    if frames.suffix_of(path) in frames.VIDEO_SUFFIXES:
        return Stream(
            str(path), video.frame_rate(path) or USUAL_FPS, False, header.frames, lambda: _spaced(path, spacing_mm)
        )

    def one_by_one() -> Generator[Frame]:
        for place in range(header.frames):
            frame = frames.read_frame(path, place)
            yield replace(frame, spacing_mm=frame.spacing_mm or spacing_mm)

    return Stream(str(path), _rate_of(path, header.frames) or USUAL_FPS, False, header.frames, one_by_one)


def _spaced(path: Path, spacing_mm: Spacing | None) -> Generator[Frame]:
    with closing(video.read_all(path)) as found:
        for frame in found:
            yield replace(frame, spacing_mm=spacing_mm)


def _rate_of(path: Path, count: int) -> float | None:
    """Frames a second by the times of the first two; None where they have none."""
    if count < 2:
        return None
    one, two = (frames.read_frame(path, place).time_s for place in (0, 1))
    return None if one is None or two is None or two <= one else 1 / (two - one)


def open_camera(number: int, spacing_mm: Spacing | None = None) -> Stream:
    """What a camera or frame grabber sees from now on; its times count from the first frame.

    A frame that comes garbled is passed over; so many behind each other end the stream. Raises `InputError` where the
    system has no such camera.
    """
    name, capture = f"camera-{number}", cv2.VideoCapture(number)
    if not capture.isOpened():
        raise InputError(f"{name}: the system has none of this number, or another program uses it")
    fps = float(capture.get(cv2.CAP_PROP_FPS))

    def watch() -> Generator[Frame]:
        began, garbled = None, 0
        try:
            while capture.grab():
                now = time.monotonic()
                began = now if began is None else began
                try:
                    pixels, _ = video.decoded(capture, name)
                except InputError as error:
                    garbled += 1
                    if garbled < MOST_GARBLED:
                        continue
                    raise InputError(
                        f"{name}: {garbled} frames behind each other cannot be read; set it to 8 bits a channel, or "
                        "look at its cable"
                    ) from error
                garbled = 0
                yield Frame(to_gray(pixels, Path(name)), spacing_mm, now - began, name)
            raise InputError(f"{name}: gives no more frames; look at its cable, and start again")
        finally:
            capture.release()

    return Stream(name, fps if 0 < fps < video.MOST_FPS else USUAL_FPS, True, None, watch)
