"""Read frames of MP4, MOV and AVI through OpenCV's FFmpeg, exactly by number, and open files lazily.

Which frame is number 17: the eighteenth that comes out of the decoder from the beginning. Seeking is not used, for with
many codecs it lands near a frame and not on it; instead a few readers stay open, so the next frame is cheap and going
back decodes again from the beginning. Rotation noted in the file is applied, as every player and extractor does. The
number of frames in a header may lie: it is believed on opening, `count_frames` decodes and counts, and a frame that the
header promises and the decoder does not give is an `InputError`.

Only these containers are let through to FFmpeg, known by their first bytes: a play list or a stream's address in a file
called ``.mp4`` could make it open other files.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame
from ..process import READERS
from .header import Header, Stamp, stamp
from .images import to_gray

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
MOST_FPS = 1000  # faster is what damaged files say
OPEN_READERS = 8
KEPT_BYTES = 16_000_000  # of decoded frames per reader, but always one for each thread that reads, and one more
KEPT_FRAMES = 16  # so that threads that ask slightly out of order find them
WHITE = 128  # in a mask video: at and above it is yes

ByteArray = NDArray[np.uint8]
T = TypeVar("T")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what FFmpeg says of a damaged file is said once, by us
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_header(path: Path) -> Header:
    """Number and size of the frames, by the header; raise `InputError` for what is no such video."""
    return _once(_header, stamp(path))


def count_frames(path: Path) -> int:
    """How many frames come out of the decoder; decodes the whole file."""
    return _once(_counted, stamp(path))


def read_frame(path: Path, place: int | None = None) -> Frame:
    """Decode frame ``place``; its time is the one that the file gives it.

    Raises `InputError` where the file ends before it or is damaged.
    """
    file = stamp(path)
    wanted = _once(_header, file).place(path, place) if place is None else place
    pixels, seconds = _reader(file).read(wanted)
    return Frame(to_gray(pixels, path), time_s=seconds, source=f"{path}#{wanted}")


def read_all(path: Path) -> Generator[Frame]:
    """Every frame that the decoder gives, in order, in constant memory; the header's number is not believed.

    Raises `InputError` for what is no such video, and for a frame that cannot be decoded.
    """
    capture, place = _open(path), 0
    try:
        while capture.grab():
            pixels, seconds = decoded(capture, f"{path}: frame {place}")
            yield Frame(to_gray(pixels, path), time_s=seconds, source=f"{path}#{place}")
            place += 1
    finally:
        capture.release()


def frame_rate(path: Path) -> float | None:
    """Frames a second as the file says; None where that is no number to believe."""
    capture = _open(path)
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return fps if 0 < fps <= MOST_FPS else None


def read_stored(path: Path, place: int | None = None) -> ByteArray:
    """The same as it is stored, gray ``(H, W)`` or RGB ``(H, W, 3)``."""
    file = stamp(path)
    return _reader(file).read(_once(_header, file).place(path, place) if place is None else place)[0]


def read_labels(path: Path, place: int | None = None) -> ByteArray:
    """A frame of a mask video, 0 and 255 ``(H, W)``: compression blurs values, so white is yes and black is no.

    Raises `InputError` where nothing is white in the whole video and something is not black.
    """
    brightest = _once(_brightest, stamp(path))
    if 0 < brightest < WHITE:
        raise InputError(
            f"{path}: masks whose brightest value is {brightest}; expected black and white, for compression blurs "
            "label values: export them as PNG or NIfTI"
        )
    return np.where(read_frame(path, place).pixels >= WHITE, np.uint8(255), np.uint8(0))


def frame_hash(path: Path, place: int | None = None) -> str:
    """SHA-256 of the file's bytes and the frame's number: the way from a video's colours to RGB is not the same
    everywhere."""
    return hashlib.sha256(f"{_once(_digest, stamp(path))} {place or 0}".encode()).hexdigest()


def _once(find: Callable[[Stamp], T], file: Stamp) -> T:
    """What ``find`` tells of the file, looked for by one thread while others wait for it."""
    with _finding[hash(file) % len(_finding)]:
        return find(file)


@lru_cache(maxsize=4096)
def _header(file: Stamp) -> Header:
    capture = _open(file.path)
    frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    size = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    capture.release()
    return Header(frames if frames > 0 else _counted(file), size).checked(file.path)


@lru_cache(maxsize=4096)
def _counted(file: Stamp) -> int:
    capture = _open(file.path)
    frames = 0
    while capture.grab():
        frames += 1
    capture.release()
    return frames


@lru_cache(maxsize=4096)
def _brightest(file: Stamp) -> int:
    capture = _open(file.path)
    brightest = 0
    while brightest < WHITE and capture.grab():
        whole, pixels = capture.retrieve()
        brightest = max(brightest, int(pixels.max(initial=0))) if whole else brightest
    capture.release()
    return brightest


@lru_cache(maxsize=4096)
def _digest(file: Stamp) -> str:
    with file.path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _open(path: Path) -> cv2.VideoCapture:
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] not in MP4_BOXES and not (start[:4] == b"RIFF" and start[8:] == b"AVI "):
        raise InputError(f"{path}: not a video, by its first bytes; expected MP4, MOV or AVI")
    # One thread: a decoder with threads does not survive a fork. Absolute: no part of the name is read as an address.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise InputError(f"{path}: cannot be opened, the video is damaged or its codec unknown; export it as H.264")
    return capture


def decoded(capture: cv2.VideoCapture, name: str) -> tuple[ByteArray, float | None]:
    """The frame that was grabbed, RGB ``(H, W, 3)`` or gray, and its time in seconds; ``name`` is for the error."""
    whole, pixels = capture.retrieve()
    if not whole or pixels.dtype != np.uint8:
        raise InputError(f"{name} cannot be decoded; export the video as H.264 of 8 bit")
    milliseconds = float(capture.get(cv2.CAP_PROP_POS_MSEC))
    rgb = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return rgb.astype(np.uint8, copy=False), milliseconds / 1000 if milliseconds >= 0 else None


class _Reader:
    """One open video: frames in order are cheap, the last few are kept, going back starts again."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.capture, self.next = _open(path), 0
        self.kept: OrderedDict[int, tuple[ByteArray, float | None]] = OrderedDict()

    def read(self, place: int) -> tuple[ByteArray, float | None]:
        """BGR turned to RGB ``(H, W, 3)``, or gray, and seconds."""
        with self.lock:
            if place in self.kept:
                return self.kept[place]
            if place < self.next:
                self.capture.release()
                self.capture, self.next = _open(self.path), 0
                self.kept.clear()
            while self.next <= place:
                if not self.capture.grab():
                    raise InputError(
                        f"{self.path}: frame {place} cannot be decoded, the video ends or is damaged after "
                        f"{self.next} frames; export it again"
                    )
                if self.next > place - KEPT_FRAMES:
                    self._keep(self.next)
                self.next += 1
            return self.kept[place]

    def _keep(self, place: int) -> None:
        found = decoded(self.capture, f"{self.path}: frame {place}")
        self.kept[place] = found
        most = min(KEPT_FRAMES, max(READERS + 1, KEPT_BYTES // found[0].nbytes))
        while len(self.kept) > most:
            self.kept.popitem(last=False)


_readers: OrderedDict[Stamp, _Reader] = OrderedDict()
_lock = threading.Lock()
_finding = [threading.Lock() for _ in range(16)]
_inherited: list[_Reader] = []


def _reader(file: Stamp) -> _Reader:
    with _lock:
        reader = _readers.pop(file, None) or _Reader(file.path)
        _readers[file] = reader
        while len(_readers) > OPEN_READERS:
            _readers.popitem(last=False)  # closed when no thread reads from it any more
        return reader


def _start_anew_after_fork() -> None:
    """A child shares the place in the file with its parent, and perhaps a decoder in the middle of a frame.

    It opens its own, and never touches those it inherited.
    """
    global _lock, _finding  # noqa: PLW0603
    _inherited.extend(_readers.values())
    _readers.clear()
    _lock = threading.Lock()
    _finding = [threading.Lock() for _ in _finding]


os.register_at_fork(after_in_child=_start_anew_after_fork)
