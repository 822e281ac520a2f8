"""The scan area: where on the screen the echoes are, without the black around them and the letters in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..frame import Area

DARK = 2  # grey levels above the darkest pixel; up to there it is screen, not tissue or its noise
LIT = 50  # one pixel in so many of a row must be brighter to count as tissue: a letter or a logo is not enough


def scan_area(pixels: NDArray[np.uint8]) -> Area:
    """Find the rectangle between the first and the last lit row and column of a frame ``(H, W)``.

    A row is lit where more than a fiftieth of its pixels are brighter by `DARK` than the darkest pixel of the frame. A
    frame without any is its own scan area.

    >>> scan_area(np.pad(np.full((4, 6), 90, np.uint8), ((0, 3), (2, 2))))
    Area(top=0, bottom=4, left=2, right=8)
    """
    lit = pixels > int(pixels.min()) + DARK
    rows = np.flatnonzero(np.count_nonzero(lit, axis=1) * LIT > pixels.shape[1])
    columns = np.flatnonzero(np.count_nonzero(lit, axis=0) * LIT > pixels.shape[0])
    if not len(rows) or not len(columns):
        return whole(pixels.shape)
    return Area(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def whole(shape: tuple[int, int]) -> Area:
    """All of a frame of ``shape`` (H, W)."""
    return Area(0, shape[0], 0, shape[1])
