"""Which frames may be one picture: each frame's middle is looked for in windows of all the others.

The middle of a frame that was cut at its borders is still in the frame it was cut from, somewhere near the middle,
smaller. So the middles of all frames are compared with windows of all frames, of several sizes and places, in
products of matrices.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...process import one_thread
from .plane import Plane

FloatArray = NDArray[np.float32]

MIDDLE = 0.6  # side of the middle, as a share of the plane's shorter side
SIDE = 8  # pixels of a window's side when windows are compared
OVERSAMPLED = 2  # steps between windows per pixel of a window
SHRUNK = (1.0, 0.87, 0.76, 0.66)  # sizes of the middle of one frame in another
REACH = 0.15  # how far from the middle it is looked for, as a share of height and width
NEAREST = {True: 6, False: 18}  # candidates per frame from its own clip or subject, and from elsewhere
STILL = 0.95  # correlation of two middles in place, from which frames of unknown homes count as one clip
PROMISING = 0.6  # correlation from which a candidate is worth a closer look
CHUNK = 16  # frames whose windows are compared before the best are sorted out
BLOCK = 256  # middles per product, whose result then stays in the processor's cache


class Place(NamedTuple):
    """Where the middle of a frame may be in another's plane: centre and side of a window, in the plane's pixels."""

    row: float
    column: float
    side: float


class Candidate(NamedTuple):
    """The middle of a frame may be in frame ``second`` at one of ``places``; ``score`` is the best correlation there.

    There is one place for each size: where layers run in parallel, a wrong size may look as good as the right one.
    """

    second: int
    places: tuple[Place, ...]
    score: float


def candidates(planes: Sequence[Plane], homes: Sequence[str | None]) -> list[list[Candidate]]:
    """For each frame the others most alike, from `PROMISING` on, with the best windows of each; the likeliest first.

    ``homes``: the video or subject of each, where it is known. The like frames of a clip leave places for other homes.
    """
    middles = np.stack([_middle(plane) for plane in planes])
    found: list[list[Candidate]] = [[] for _ in planes]
    with one_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        scores, partners = _nearest(planes, middles, homes, pool)
        partners[scores <= PROMISING] = -1
        located = pool.map(lambda second: _located(second, planes, middles, scores, partners), range(len(planes)))
        for first, candidate in chain.from_iterable(located):
            found[first].append(candidate)
    return [sorted(several, key=lambda candidate: -candidate.score) for several in found]


def _nearest(
    planes: Sequence[Plane], middles: FloatArray, homes: Sequence[str | None], pool: ThreadPoolExecutor
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Correlation and number of the `NEAREST` others of each frame, ``(n, k)`` each; a chunk of frames at a time."""
    count, numbered = len(planes), {home: i for i, home in enumerate(dict.fromkeys(homes)) if home is not None}
    home = np.array([-1 if h is None else numbered[h] for h in homes])
    nearest = {
        own: (np.full((count, most), -1, np.float32), np.full((count, most), -1, np.int64))
        for own, most in NEAREST.items()
    }
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        found = np.stack(list(pool.map(lambda i: _best_windows(planes[i], middles), numbers)), axis=1)
        found[numbers, range(len(numbers))] = -1  # a frame is no twin of itself
        still = (home[:, None] >= 0) | (middles @ middles[numbers].T > STILL)
        at_home = (home[:, None] == home[numbers]) & still
        for own, (scores, partners) in nearest.items():
            both = np.concatenate((scores, np.where(at_home == own, found, -1)), axis=1)
            who = np.concatenate((partners, np.broadcast_to(numbers, found.shape)), axis=1)
            keep = np.argpartition(-both, NEAREST[own] - 1, axis=1)[:, : NEAREST[own]]
            nearest[own] = np.take_along_axis(both, keep, 1), np.take_along_axis(who, keep, 1)
    scores, partners = (np.concatenate(several, axis=1) for several in zip(*nearest.values(), strict=True))
    return scores, partners


def _located(
    second: int, planes: Sequence[Plane], middles: FloatArray, scores: FloatArray, partners: NDArray[np.int64]
) -> list[tuple[int, Candidate]]:
    """Where in frame ``second`` the middles are of those frames that have it among their `_nearest`."""
    firsts, columns = np.nonzero(partners == second)
    if not len(firsts):
        return []
    windows, places = _windows(planes[second])
    alike = windows @ middles[firsts].T
    best = np.stack([rows[0] + alike[rows].argmax(0) for rows in _rows_of_sizes(places)], axis=1)
    return [
        (int(first), Candidate(second, tuple(places[k] for k in ks), float(score)))
        for first, score, ks in zip(firsts, scores[firsts, columns], best, strict=True)
    ]


def _rows_of_sizes(places: list[Place]) -> list[NDArray[np.int64]]:
    """Which windows are of one size, size by size."""
    sides = np.array([place.side for place in places])
    return [np.flatnonzero(sides == side) for side in dict.fromkeys(sides.tolist())]


def _best_windows(plane: Plane, middles: FloatArray) -> FloatArray:
    """The highest correlation of every middle with the windows of a frame, ``(n,)``."""
    windows, _ = _windows(plane)
    alike = np.empty((len(windows), BLOCK), np.float32)  # one for all products: fresh memory costs as much as they do
    best = np.empty(len(middles), np.float32)
    for start in range(0, len(middles), BLOCK):
        block = middles[start : start + BLOCK]
        np.matmul(windows, block.T, out=alike[:, : len(block)])
        alike[:, : len(block)].max(0, out=best[start : start + BLOCK])
    return best


def _middle(plane: Plane) -> FloatArray:
    height, width = plane.values.shape
    side = MIDDLE * min(height, width)
    grid = _grid(plane.structures(), (height / 2, width / 2), side / SIDE, (SIDE, SIDE))
    return np.asarray(_normalised(grid.reshape(1, -1))[0], np.float32)


def _windows(plane: Plane) -> tuple[FloatArray, list[Place]]:
    """Every window of every size, ``(n, SIDE * SIDE)`` with mean 0 and length 1, and its place."""
    structures = plane.structures()
    height, width = structures.shape
    views, places = [], []
    for shrunk in SHRUNK:
        side = MIDDLE * min(height, width) * shrunk
        pixel = side / SIDE
        step = pixel / OVERSAMPLED
        rows, columns = round(REACH * height / step), round(REACH * width / step)
        shape = (2 * rows + OVERSAMPLED * SIDE, 2 * columns + OVERSAMPLED * SIDE)
        grid = _grid(structures, (height / 2, width / 2), step, shape)
        span = (OVERSAMPLED * SIDE, OVERSAMPLED * SIDE)
        view = np.lib.stride_tricks.sliding_window_view(grid, span)[:, :, ::OVERSAMPLED, ::OVERSAMPLED]
        views.append(view.reshape(-1, SIDE * SIDE))
        places += [
            Place(height / 2 + i * step, width / 2 + j * step, side)
            for i in range(-rows, rows + 1)
            for j in range(-columns, columns + 1)
        ]
    return _normalised(np.concatenate(views)), places


def _grid(structures: FloatArray, centre: tuple[float, float], step: float, shape: tuple[int, int]) -> FloatArray:
    """Sample a plane on a grid of ``shape`` around ``centre``, blurred to the grid's fineness; 0 outside."""
    blurred = cv2.GaussianBlur(structures, (0, 0), max(0.3, 0.9 * step))
    first = [middle - (count - 1) / 2 * step - 0.5 for middle, count in zip(centre, shape, strict=True)]
    move = np.array([[step, 0, first[1]], [0, step, first[0]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(blurred, move, shape[::-1], flags=flags, borderValue=0), np.float32)


def _normalised(windows: FloatArray) -> FloatArray:
    centred = windows - windows.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-3), np.float32)
