"""Large frames in overlapping tiles, and the tiles' answers as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..frame import Area
from .answer import Answer

OVERLAP = 0.25  # of a tile, at least
LEAST = 0.05  # weight at a tile's edge: where it has no neighbour it counts alone, whatever its weight

Floats = NDArray[np.float32]


def tiles_of(shape: tuple[int, int], side: int) -> list[Area]:
    """Tiles of at most ``side`` pixels a side that cover a frame (H, W), all of one size, overlapping by a quarter.

    >>> tiles_of((100, 250), side=100)
    [Area(top=0, bottom=100, left=0, right=100), Area(top=0, bottom=100, left=75, right=175), \
Area(top=0, bottom=100, left=150, right=250)]
    """
    rows, columns = (_starts(length, side) for length in shape)
    height, width = (min(length, side) for length in shape)
    return [Area(top, top + height, left, left + width) for top in rows for left in columns]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = 1 + math.ceil((length - side) / (side * (1 - OVERLAP)))
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


def joined(answers: Sequence[Answer], tiles: Sequence[Area], shape: tuple[int, int]) -> Answer:
    """The answer for a frame (H, W) from those for its tiles, each of one frame.

    Where tiles overlap, the nearer to its middle counts more. A nerve is as present as in the tile where it is most,
    and the box is that tile's.
    """
    weights = _window(tiles[0].shape)
    total = np.zeros(shape, np.float32)
    probabilities = np.zeros((1, answers[0].probabilities.shape[1], *shape), np.float32)
    disagreement = None if answers[0].disagreement is None else np.zeros((1, *shape), np.float32)
    for answer, tile in zip(answers, tiles, strict=True):
        total[tile.slices] += weights
        probabilities[0][:, *tile.slices] += weights * answer.probabilities[0]
        if disagreement is not None and answer.disagreement is not None:
            disagreement[0][tile.slices] += weights * answer.disagreement[0]
    best = int(np.argmax([_sureness(answer) for answer in answers]))
    box = answers[best].box
    return Answer(
        probabilities / total,
        answers[best].presence,
        None if disagreement is None else disagreement / total,
        None if box is None else _in_frame(box, tiles[best], shape),
    )


def _sureness(answer: Answer) -> float:
    return float(answer.probabilities[0, 0].max() if answer.presence is None else answer.presence[0])


def _window(shape: tuple[int, int]) -> Floats:
    """Weights that fall from the middle to the edges."""
    rows, columns = (1 - np.abs(2 * (np.arange(length) + 0.5) / length - 1) for length in shape)
    return np.maximum(np.outer(rows, columns), LEAST).astype(np.float32)


def _in_frame(box: Floats, tile: Area, shape: tuple[int, int]) -> Floats:
    """A box cxcywh in 0..1 of a tile in 0..1 of the frame."""
    scale = np.array([tile.shape[1] / shape[1], tile.shape[0] / shape[0]] * 2, np.float32)
    shift = np.array([tile.left / shape[1], tile.top / shape[0], 0, 0], np.float32)
    return np.asarray(box * scale + shift, np.float32)
