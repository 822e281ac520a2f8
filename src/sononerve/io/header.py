"""What is known of a file of frames before any of them is decoded, and the limits that hold then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..frame import Spacing

MAX_PIXELS = 50_000_000  # 7,000 x 7,000: ten times any ultrasound frame; 40,000 x 40,000 would take 1.6 GB
MAX_FRAMES = 1_000_000  # nine hours at 30 frames a second


class Stamp(NamedTuple):
    """A file as it is now, to remember what was read of it: written anew it has another size or time of change."""

    path: Path
    size: int
    changed_ns: int


def stamp(path: Path) -> Stamp:
    """The file's `Stamp`; raise `InputError` where there is no such file."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected a file")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    found = path.stat()
    return Stamp(path, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class Header:
    """``frames``: how many, as the file says. ``size``: (H, W) of each. ``spacing_mm``: (row, column) or unknown."""

    frames: int
    size: tuple[int, int]
    spacing_mm: Spacing | None = None

    def checked(self, path: Path) -> Header:
        """Itself; raise `InputError` where frames are too large, too many, or none."""
        height, width = self.size
        if height < 1 or width < 1 or self.frames < 1:
            raise InputError(
                f"{path}: says it holds {self.frames} frames of {width} x {height} pixels; export it again"
            )
        if height * width > MAX_PIXELS:
            raise InputError(f"{path}: {width} x {height} pixels; expected at most {MAX_PIXELS}: crop or shrink it")
        if self.frames > MAX_FRAMES:
            raise InputError(f"{path}: says it holds {self.frames} frames; expected at most {MAX_FRAMES}")
        return self

    def place(self, path: Path, place: int | None) -> int:
        """Which frame is meant: ``place`` from 0, or the only one; raise `InputError` where there is no such frame."""
        if place is None and self.frames > 1:
            raise InputError(f"{path}: holds {self.frames} frames; say which, from 0")
        if place is not None and not 0 <= place < self.frames:
            raise InputError(f"{path}: no frame {place}; it holds {self.frames}, counted from 0")
        return place or 0
