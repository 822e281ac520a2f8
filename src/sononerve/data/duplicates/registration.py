"""How two frames lie on each other, and how alike they then are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .plane import Plane
from .search import MIDDLE, Place

FloatArray = NDArray[np.float32]

SCALES = (0.95, 1.0, 1.05)  # tried around each size that the search found
SLACK = 4  # pixels of the half-size planes around the place that the search found
MIDDLE_FITS, LAID_FITS, WALKED_FITS = 0.4, 0.15, 0.45  # correlations of half-size planes; below them the look ends
STEPS, LAST_STEPS = (0.025, 0.01), (0.006, 0.003)  # of scale; shifts go by as much of half a plane
MOST_MOVES = 6
FLAT = 1e-3  # squared variances; below, there is nothing to correlate
LEAST_SHARE = 0.4  # of the smaller frame that both must show


class Alignment(NamedTuple):
    """Where a pixel of one frame is in another: ``x' + 0.5 = scale_x * (x + 0.5) + shift_x``, and so for y."""

    scale_y: float
    scale_x: float
    shift_y: float
    shift_x: float

    def inverse(self) -> Alignment:
        """The way back."""
        scale_y, scale_x, shift_y, shift_x = self
        return Alignment(1 / scale_y, 1 / scale_x, -shift_y / scale_y, -shift_x / scale_x)

    def warp(self, labels: NDArray[np.uint8], shape: tuple[int, int], outside: int = 0) -> NDArray[np.uint8]:
        """Carry a label map over to the other frame of ``shape`` (H, W)."""
        half_y, half_x = (0.5 * scale + shift - 0.5 for scale, shift in (self[::2], self[1::2]))
        matrix = np.array([[self.scale_x, 0, half_x], [0, self.scale_y, half_y]])
        warped = cv2.warpAffine(labels, matrix, shape[::-1], flags=cv2.INTER_NEAREST, borderValue=outside)
        return np.asarray(warped, np.uint8)


class _Pose(NamedTuple):
    """Where the first plane lies in the second: its scale, and its centre in the second's pixels."""

    scale: float
    row: float
    column: float

    def moved(self, field: str, step: float, side: int) -> _Pose:
        """This with one field changed: the scale by a share, a place by as much of half of ``side``."""
        value: float = getattr(self, field)
        return self._replace(**{field: value + step * (value if field == "scale" else side / 2)})


def register(first: Plane, second: Plane, places: Sequence[Place]) -> tuple[float, Alignment] | None:
    """Lay ``first`` over ``second`` near one of ``places``; their correlation where they overlap, and how they lie.

    The correlation is 1 for the same picture; None where they do not fit at all.
    """
    a, b = first.structures(), second.structures()
    half_a, half_b = _halved(a), _halved(b)
    poses = (_find(half_a, half_b, Place(*(value / 2 for value in place))) for place in places)
    starts = [(_likeness(half_a, half_b, pose), pose) for pose in poses if pose is not None]
    fits, pose = max(starts, default=(-1.0, _Pose(1, 0, 0)))
    if fits < LAID_FITS:
        return None
    likeness, pose = _walk(half_a, half_b, pose)
    if likeness < WALKED_FITS:
        return None
    likeness, pose = _settle(a, b, _Pose(pose.scale, 2 * pose.row, 2 * pose.column))
    return likeness, _in_frames(pose, first, second)


def _halved(plane: FloatArray) -> FloatArray:
    height, width = plane.shape
    return np.asarray(cv2.resize(plane, (round(width / 2), round(height / 2)), interpolation=cv2.INTER_AREA))


def _find(a: FloatArray, b: FloatArray, place: Place) -> _Pose | None:
    """Look for the middle of ``a`` in ``b`` around ``place``, in whole pixels and a few sizes."""
    height, width = a.shape
    side = MIDDLE * min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    middle = a[top : top + round(side), left : left + round(side)]
    best, found = MIDDLE_FITS, None
    for factor in SCALES:
        scale = factor * place.side / side
        template = cv2.resize(middle, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        rows, columns = template.shape
        first_row, first_column = (
            max(0, int(at - half / 2) - SLACK) for at, half in zip(place, (rows, columns), strict=False)
        )
        region = b[first_row : first_row + rows + 2 * SLACK, first_column : first_column + columns + 2 * SLACK]
        if region.shape[0] < rows or region.shape[1] < columns:
            continue
        _, value, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(region, template, cv2.TM_CCOEFF_NORMED))
        if value > best:
            # the middle's own centre is half a pixel off the plane's where it was rounded
            row = first_row + y + rows / 2 + scale * (height / 2 - top - round(side) / 2)
            column = first_column + x + columns / 2 + scale * (width / 2 - left - round(side) / 2)
            best, found = value, _Pose(scale, row, column)
    return found


def _walk(a: FloatArray, b: FloatArray, pose: _Pose) -> tuple[float, _Pose]:
    """Change scale and place as long as the overlap becomes more alike, in ever smaller steps."""
    likeness = _likeness(a, b, pose)
    for step in STEPS:
        for _ in range(MOST_MOVES):
            before = likeness
            for field in _Pose._fields:
                for sign in (1, -1):
                    moved = pose.moved(field, sign * step, max(a.shape))
                    value = _likeness(a, b, moved)
                    if value > likeness:
                        likeness, pose = value, moved
                        break
            if likeness == before:
                break
    return likeness, pose


def _settle(a: FloatArray, b: FloatArray, pose: _Pose) -> tuple[float, _Pose]:
    """Go to the tops of the parabolas through the likeness at ``pose`` and beside it, once for each step."""
    likeness = _likeness(a, b, pose)
    for step in LAST_STEPS:
        top = pose
        for field in _Pose._fields:
            down, up = (_likeness(a, b, pose.moved(field, sign * step, max(a.shape))) for sign in (-1, 1))
            bend = down - 2 * likeness + up
            steps = float(np.clip(0.5 * (down - up) / bend, -2, 2) if bend < -1e-6 else np.sign(up - down))
            top = top.moved(field, steps * step, max(a.shape))
        likeness, pose = max((likeness, pose), (_likeness(a, b, top), top))
    return likeness, pose


def _likeness(a: FloatArray, b: FloatArray, pose: _Pose) -> float:
    """Correlation of ``a``, laid over ``b``, where both are; -1 where that is too little."""
    (height, width), scale = a.shape, pose.scale
    top, left = pose.row - scale * height / 2, pose.column - scale * width / 2
    rows = slice(max(0, int(np.ceil(top))), min(b.shape[0], int(top + scale * height)))
    columns = slice(max(0, int(np.ceil(left))), min(b.shape[1], int(left + scale * width)))
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    if min(shape) < 1 or shape[0] * shape[1] < LEAST_SHARE * min(b.size, a.size * scale * scale):
        return -1.0
    inverse = 1 / scale
    start = [(0.5 + cut.start - edge) * inverse - 0.5 for cut, edge in ((columns, left), (rows, top))]
    move = np.array([[inverse, 0, start[0]], [0, inverse, start[1]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(a, move, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return _correlation(np.asarray(laid, np.float32).ravel(), b[rows, columns].ravel())


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Pearson's correlation of two vectors; -1 where one of them is flat."""
    size, sums = one.size, (float(one.sum()), float(other.sum()))
    spread = (size * float(one @ one) - sums[0] ** 2) * (size * float(other @ other) - sums[1] ** 2)
    return (size * float(one @ other) - sums[0] * sums[1]) / spread**0.5 if spread > FLAT else -1.0


def _in_frames(pose: _Pose, first: Plane, second: Plane) -> Alignment:
    """The pose, which is between planes, between the frames they were cut from."""
    scales, shifts = [], []
    sides = zip(first.values.shape, (pose.row, pose.column), first.scale, second.scale, (0, 2), strict=True)
    for side, centre, to_plane, from_plane, edge in sides:
        scale = pose.scale * to_plane / from_plane
        in_second = (centre - pose.scale * side / 2) / from_plane + second.area[edge]
        scales.append(scale)
        shifts.append(in_second - scale * first.area[edge])
    return Alignment(scales[0], scales[1], shifts[0], shifts[1])
