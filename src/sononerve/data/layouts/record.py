"""One frame of a data set on disk, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...frame import Spacing
from ...io import rle

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""


class StoredMask(Protocol):
    """A mask that is not an image of its own: an entry of a table, shapes in a JSON file, a slice of a volume."""

    @property
    def file(self) -> Path:
        """The file that holds it, for messages."""

    def values(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The label values of a frame of ``size`` (H, W); raise `InputError` where they cannot be had."""


@dataclass(frozen=True)
class RunLengths:
    """A mask kept as run lengths in the table ``file``."""

    runs: str
    file: Path

    def values(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The mask as 0 and 1, uint8 ``(H, W)``."""
        return rle.decode(self.runs, size)


@dataclass(frozen=True)
class Record:
    """Where a frame and its mask are, and what is known of them.

    ``name``: the image's path below the data set's folder, with ``/``: unique, and what split and scores call it; a
    frame of many ends in its number, ``videos/8018.mp4#17``. ``place``: which frame of its file, from 0; None: the
    only one.
    ``mask``: an image file, or what else it is kept as; None where nobody drew one. ``boxes``: native boxes, an empty
    tuple where the frame has none, None where the data set has no boxes at all. ``classes``: the names of labels
    1, 2, ... where the data set's own files tell them; the same for every frame.
    """

    name: str
    image: Path
    mask: Path | StoredMask | None
    subject: str | None = None
    video: str | None = None
    index: int | None = None
    boxes: tuple[Box, ...] | None = None
    spacing_mm: Spacing | None = None
    annotator: str | None = None
    classes: tuple[str, ...] | None = None
    place: int | None = None


class FaultyRecordsError(InputError):
    """Some of a data set's files cannot be used: ``faults`` says why, ``records`` are the rest."""

    def __init__(self, faults: list[str], records: list[Record]) -> None:
        more = f" ({len(faults) - 1} more file(s) are wrong: 'sononerve audit' lists them)" if len(faults) > 1 else ""
        super().__init__(faults[0] + more)
        self.faults, self.records = faults, records


def sound(records: list[Record], faults: list[str]) -> list[Record]:
    """The records, where there are no ``faults``; raise `FaultyRecordsError` where there are."""
    if faults:
        raise FaultyRecordsError(faults, records)
    return records
