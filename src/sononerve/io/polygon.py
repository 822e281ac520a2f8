"""Polygons filled as pycocotools fills them, which COCO, CVAT and many converters do too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

FINER = 5  # the boundary is walked in fifths of a pixel
MOST_STEPS = 2_000_000  # 400,000 pixels of boundary, far more than any outline has


def fill(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels ``(H, W)`` inside of a closed polygon ``(n, 2)`` of (x, y), where pixel 0 lies from 0 to 1.

    The rule is even-odd, with cocoapi's rounding (``rleFrPoly`` in ``maskApi.c``). Raises `InputError` for fewer than
    three points, for numbers that are none or far outside of the frame, and for a boundary that is too long.

    >>> fill(np.array([[0, 0], [2, 0], [2, 1], [0, 1]], float), (2, 3)).astype(int).tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    height, width = shape
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise InputError("a polygon of fewer than three points; expected x and y of at least three")
    if not (np.abs(points) <= 10 * max(height, width) + 1000).all():
        raise InputError(f"a polygon that leaves its frame of {width} x {height} pixels far behind; correct its points")
    u, v = _walk(np.trunc(FINER * points + 0.5).astype(np.int64))
    # where the walk steps from one column of pixels to the next, at the middle of a pixel
    stepped = np.flatnonzero(u[1:] != u[:-1])
    after, before = u[1:][stepped], u[:-1][stepped]
    fine = np.where(after < before, after, after - 1)
    column, row = (fine - FINER // 2) // FINER, np.minimum(v[1:][stepped], v[:-1][stepped])
    meets = ((fine - FINER // 2) % FINER == 0) & (column >= 0) & (column < width)
    rows = np.ceil(((row[meets] + 0.5) / FINER - 0.5).clip(0, height)).astype(np.int64)
    crossings = np.bincount(column[meets] * height + rows, minlength=height * width + 1)
    inside = np.cumsum(crossings[: height * width]) % 2 == 1
    return np.asarray(inside.reshape(shape, order="F"), np.bool_)


def _walk(corners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every step along the edges between ``corners`` ``(n, 2)``, around and back."""
    ends = np.roll(corners, -1, axis=0)
    (dx, dy) = np.abs(ends - corners).T
    steps = np.maximum(dx, dy)
    if steps.sum() + len(steps) > MOST_STEPS:
        raise InputError(f"a polygon whose outline is more than {MOST_STEPS // FINER} pixels long; simplify it")
    flat = dx >= dy
    flip = np.where(flat, corners[:, 0] > ends[:, 0], corners[:, 1] > ends[:, 1])
    start, end = np.where(flip[:, None], ends, corners), np.where(flip[:, None], corners, ends)
    rise = np.where(flat, end[:, 1] - start[:, 1], end[:, 0] - start[:, 0])
    slope = rise / np.maximum(steps, 1)
    edge = np.repeat(np.arange(len(steps)), steps + 1)
    first = np.cumsum(steps + 1) - (steps + 1)
    t = np.arange(len(edge)) - first[edge]
    t = np.where(flip[edge], steps[edge] - t, t)
    along = t + np.where(flat, start[:, 0], start[:, 1])[edge]
    across = np.trunc(np.where(flat, start[:, 1], start[:, 0])[edge] + slope[edge] * t + 0.5).astype(np.int64)
    return np.where(flat[edge], along, across), np.where(flat[edge], across, along)
