"""The scan area: where on the screen the echoes are, without the black around them and the letters in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DARK = 2  # grey levels above the darkest pixel; up to there it is screen, not tissue or its noise
LIT = 0.02  # share of a row that must be brighter to count as tissue: a letter or a logo is not enough


class Area(NamedTuple):
    """A rectangle of a frame, in pixels; ``bottom`` and ``right`` are the first row and column behind it."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left


def scan_area(pixels: NDArray[np.uint8]) -> Area:
    """Find the rectangle between the first and the last lit row and column of a frame ``(H, W)``.

    A row is lit where more than a fiftieth of its pixels are brighter by `DARK` than the darkest pixel of the frame. A
    frame without any is its own scan area.

    >>> scan_area(np.pad(np.full((4, 6), 90, np.uint8), ((0, 3), (2, 2))))
    Area(top=0, bottom=4, left=2, right=8)
    """
    lit = pixels > int(pixels.min()) + DARK
    rows, columns = np.flatnonzero(lit.mean(1) > LIT), np.flatnonzero(lit.mean(0) > LIT)
    if not len(rows) or not len(columns):
        return Area(0, pixels.shape[0], 0, pixels.shape[1])
    return Area(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
