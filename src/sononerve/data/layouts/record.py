"""One frame of a data set on disk, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...frame import Spacing

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""


@dataclass(frozen=True)
class RunLengths:
    """A mask kept in a table as run lengths; ``file`` is the table, for messages."""

    runs: str
    file: Path


@dataclass(frozen=True)
class Record:
    """Where a frame and its mask are, and what is known of them.

    ``name``: the image's path below the data set's folder, with ``/``: unique, and what split and scores call it.
    ``mask``: None where nobody drew one. ``boxes``: native boxes, an empty tuple where the frame has none, None where
    the data set has no boxes at all.
    """

    name: str
    image: Path
    mask: Path | RunLengths | None
    subject: str | None = None
    video: str | None = None
    index: int | None = None
    boxes: tuple[Box, ...] | None = None
    spacing_mm: Spacing | None = None
    annotator: str | None = None
