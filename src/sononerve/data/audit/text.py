"""Find lines of text by the stems of their letters.

An echo is never thin from side to side: a beam is many pixels wide. A letter is: its stems rise and fall within a pixel
or two, over its whole height. Speckle is as thin but not as tall, and fascia on a slope is tall but not as sharp. So a
line of text is several stems side by side, and how sharp they are together says how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..layouts.record import Box

Plane = NDArray[np.uint16]

WIDEST = 13  # pixels: the widest stem looked for, that of bold letters of 50 px
CONTRAST = 36  # grey levels by which a stem stands out on both sides
SHORTEST = 3  # pixels: the stems of letters of 9 px that were shrunk by a third
TALLEST = 5  # pixels that the tallest stem of a line has at least; less are dots
ALONE = 7  # pixels that a stem has which is all of a line; less are specks
SLACK = 2  # pixels that the stem of a measuring mark may reach beyond the mark's box
EDGE = 3  # pixels from the frame's edge within which a lone stem is the tick of a ruler
NOISE = 30  # grey levels of sharpness that a stem in tissue has; more counts for a letter
MOST_STEMS = 2000  # of a frame, the sharpest: noise has ten times as many, and they are compared two by two
EVIDENCE = 220  # of a line, see `_evidence`; 5 of 1,000 real frames without text reach it


@dataclass(frozen=True)
class Stems:
    """Upright strokes: boxes ``(n, 4)`` as x, y, width, height; how bright each is, and how sharp at its sides."""

    boxes: NDArray[np.int64]
    level: NDArray[np.float64]
    sharpness: NDArray[np.float64]

    def only(self, chosen: NDArray[np.bool_]) -> Stems:
        """Those of them that are chosen, ``(n,)``."""
        return Stems(self.boxes[chosen], self.level[chosen], self.sharpness[chosen])


def find_lines(ink: Plane, marks: tuple[Box, ...] = ()) -> tuple[Box, ...]:
    """Boxes of the lines of text in ``(H, W)``; stems of ``marks`` and a ruler's ticks are no text."""
    stems = _stems(ink)
    if not len(stems.boxes):
        return ()
    line_of = _lines(stems)
    lines = [stems.only(line_of == line) for line in range(line_of.max() + 1)]
    sure = [line.boxes for line in lines if _evidence(line) > EVIDENCE]
    return tuple(
        _line_box(boxes, ink.shape)
        for boxes in sure
        if not _is_tick(boxes, ink.shape[0]) and not _is_mark(boxes, marks)
    )


def _stems(ink: Plane) -> Stems:
    """Upright strokes: narrower than `WIDEST`, the brightest thing beside them, and a few pixels tall."""
    row = np.ones((1, WIDEST), np.uint8)
    above_sides = np.asarray(cv2.morphologyEx(ink, cv2.MORPH_TOPHAT, row), np.uint16)
    thin = (above_sides > CONTRAST).view(np.uint8)
    upright = np.asarray(cv2.morphologyEx(thin, cv2.MORPH_OPEN, np.ones((SHORTEST, 1), np.uint8)), np.uint8)
    at = np.flatnonzero(upright.view(np.bool_))
    outshone = 4 * ink.ravel()[at] <= 3 * cv2.dilate(ink, row).ravel()[at]
    upright.ravel()[at[outshone]] = 0
    upright = np.asarray(cv2.morphologyEx(upright, cv2.MORPH_OPEN, np.ones((SHORTEST, 1), np.uint8)), np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(upright, 8, cv2.CV_32S, cv2.CCL_GRANA)  # fast
    at = np.flatnonzero(upright.view(np.bool_))
    stem = labels.ravel()[at]
    size = np.bincount(stem, minlength=len(stats))[1:]
    sharpness = np.minimum(above_sides.ravel()[at], _steepest(ink).ravel()[at])
    level, sharp = (np.bincount(stem, values, len(stats))[1:] / size for values in (ink.ravel()[at], sharpness))
    kept = np.sort(np.argsort(-sharp, kind="stable")[:MOST_STEMS])
    return Stems(stats[1:, :4].astype(np.int64)[kept], level[kept], sharp[kept])


def _steepest(ink: Plane) -> Plane:
    """The largest change over two pixels of a row, near each pixel: where a machine drew, the whole contrast."""
    step = np.zeros_like(ink)
    cv2.absdiff(ink[:, 2:], ink[:, :-2], dst=step[:, 1:-1])
    return np.asarray(cv2.dilate(step, np.ones((1, 5), np.uint8)), np.uint16)


def _lines(stems: Stems) -> NDArray[np.int32]:
    """The number of each stem's line: neighbours are on one level, about as tall, as bright, and not far apart."""
    x, y, width, height = stems.boxes.T
    gap = np.maximum(x[:, None], x) - np.minimum((x + width)[:, None], x + width)
    overlap = np.minimum((y + height)[:, None], y + height) - np.maximum(y[:, None], y)
    taller, shorter = np.maximum(height[:, None], height), np.minimum(height[:, None], height)
    alike = np.abs(stems.level[:, None] - stems.level) < 0.25 * np.maximum(stems.level[:, None], stems.level)
    near = (gap <= 2 * taller + 6) & (overlap >= 0.6 * shorter) & (taller <= 3 * shorter) & alike
    return np.asarray(connected_components(coo_array(near), directed=False)[1], np.int32)


def _is_tick(boxes: NDArray[np.int64], height: int) -> bool:
    return len(boxes) == 1 and bool(boxes[0, 1] < EDGE or boxes[0, 1] + boxes[0, 3] > height - EDGE)


def _is_mark(boxes: NDArray[np.int64], marks: tuple[Box, ...]) -> bool:
    """Whether each stem is inside a mark, or all are around the middle of one, whose arms were seen in part."""
    return bool(marks) and (all(_inside(box, marks) for box in boxes) or any(_around(boxes, mark) for mark in marks))


def _inside(box: NDArray[np.int64], marks: tuple[Box, ...]) -> bool:
    x, y, width, height = box
    return any(
        left - SLACK <= x and x + width <= left + wide + SLACK and top - SLACK <= y and y + height <= top + high + SLACK
        for left, top, wide, high in marks
    )


def _around(boxes: NDArray[np.int64], mark: Box) -> bool:
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    off = np.abs((low + high) / 2 - (np.array(mark[:2]) + np.array(mark[2:]) / 2)).max()
    return bool(off <= max(SLACK, mark[2] / 6) and (high - low).max() <= 2 * mark[2])


def _evidence(line: Stems) -> float:
    """How much a line is like text: many, tall and sharp stems, between one top and one bottom and not on a slope."""
    top, height = line.boxes[:, 1], line.boxes[:, 3]
    if height.max() < (ALONE if len(height) == 1 else TALLEST):
        return 0.0
    level = height.max() / ((top + height).max() - top.min())
    return float((np.sqrt(height) * np.maximum(line.sharpness - NOISE, 0)).sum() * level)


def _line_box(stems: NDArray[np.int64], size: tuple[int, ...]) -> Box:
    """Box of a line of text; its letters reach beyond the stems, by about a letter sideways and a bit up and down."""
    low, high = stems[:, :2].min(0), (stems[:, :2] + stems[:, 2:]).max(0)
    height = int(high[1] - low[1])
    beyond = np.array([3 * height // 4, height // 5 + 1])
    left, top = np.maximum(low - beyond, 0)
    right, bottom = np.minimum(high + beyond, size[1::-1])
    return float(left), float(top), float(right - left), float(bottom - top)
