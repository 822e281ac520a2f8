"""What looks wrong about a mask: off the image, drawn in blocks, specks, next to nothing."""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...frame import Area

Kind = Literal["outside", "blocky", "rectangle", "speck", "tiny"]
MaskArray = NDArray[np.bool_]

OUTSIDE = 0.01  # share of a mask beyond the scan area, from which it is told
BLOCKS = range(4, 33)  # pixels of a block's side that are looked for
ALIGNED = 0.95  # share of steps of the outline that must lie on the blocks' grid
FEWEST_STEPS = 12  # of the outline; fewer lie on some grid by chance
SPECK = 0.01  # of the largest piece's area
TINY = 0.05  # of the class's median area


class Oddity(NamedTuple):
    """What is odd about the mask of one class, in words with numbers."""

    kind: Kind
    name: str
    told: str


def oddities(mask: MaskArray, area: Area, name: str) -> list[Oddity]:
    """What is odd about a mask ``(H, W)`` of class ``name`` on a frame with that scan ``area``."""
    whole = np.count_nonzero(mask)
    if not whole:
        return []
    found = []
    outside = 1 - np.count_nonzero(mask[area.slices]) / whole
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    mask = mask[y : y + height, x : x + width]
    if outside > OUTSIDE:
        found.append(Oddity("outside", name, f"{outside:.0%} of it outside of the scan area"))
    if is_rectangle(mask):
        found.append(Oddity("rectangle", name, "a rectangle: a box, not an outline"))
    elif side := block_side(mask):
        found.append(Oddity("blocky", name, f"drawn in blocks of {side} pixels"))
    specks = _specks(mask)
    if specks:
        found.append(Oddity("speck", name, f"{len(specks)} piece(s) of at most {max(specks)} pixels beside it"))
    return found


def is_rectangle(mask: MaskArray) -> bool:
    """Whether a mask ``(H, W)`` fills its own box."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return bool(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()) if len(rows) else False


def block_side(mask: MaskArray) -> int | None:
    """The side in pixels of the blocks that a mask ``(H, W)`` consists of; None where its outline is free.

    A mask that was drawn small and enlarged has an outline whose steps lie on a grid.

    >>> block_side(np.kron(np.tri(12, dtype=bool), np.ones((8, 8), bool)))
    8
    """
    padded = np.pad(mask.astype(np.int8), 1)
    rows, columns = np.nonzero(np.diff(padded, axis=0))[0], np.nonzero(np.diff(padded, axis=1))[1]
    sides = [side for side in BLOCKS if _on_grid(rows, side) and _on_grid(columns, side)]
    return max(sides, default=None)


def _on_grid(places: NDArray[np.int64], side: int) -> bool:
    """Whether nearly all places lie on lines ``side`` apart, and on several of them."""
    different = np.unique(places)
    if len(places) < FEWEST_STEPS or len(different) < 4:
        return False
    return bool(np.bincount(places % side).max() >= ALIGNED * len(places))


def _specks(mask: MaskArray) -> list[int]:
    """Areas in pixels of the pieces that are far smaller than the largest."""
    count, _, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = statistics[1:, cv2.CC_STAT_AREA] if count > 1 else np.zeros(0, np.int64)
    return [int(a) for a in areas if a < SPECK * areas.max(initial=0)]


def tiny(areas: NDArray[np.float64], names: tuple[str, ...]) -> list[tuple[int, Oddity]]:
    """Frames by number whose mask is next to nothing beside the others'; ``areas`` ``(n, C)``, shares of the frame."""
    found = []
    for column, name in enumerate(names):
        drawn = areas[:, column][areas[:, column] > 0]
        if len(drawn):
            median = float(np.median(drawn))
            small = np.flatnonzero((areas[:, column] > 0) & (areas[:, column] < TINY * median))
            found += [
                (int(i), Oddity("tiny", name, f"{areas[i, column] / median:.1%} of the class's median area"))
                for i in small
            ]
    return found
