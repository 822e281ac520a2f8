"""Find the marks of a measurement, + and x, by their four arms, and the dotted line between two of them.

Each arm stands out against what is beside it, ends in nothing, and between two arms there is nothing either. Echoes do
one or the other: a bright spot fills the space between the arms, crossing fascia goes on beyond their ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..layouts.record import Box

Plane = NDArray[np.uint16]
Numbers = NDArray[np.int64]
Way = tuple[int, int]

UPRIGHT: tuple[Way, ...] = ((1, 0), (-1, 0), (0, 1), (0, -1))
TURNED: tuple[Way, ...] = ((1, 1), (-1, -1), (1, -1), (-1, 1))
ARM = 3  # pixels from the middle where arms are looked for first: the smallest marks are 7 px across
BESIDE = 4  # pixels beside an arm where there must be none
LONGEST = 16  # pixels: the arm of a mark of 25 px that was enlarged by 1.4, less its soft end
END = 3  # pixels from the last of an arm to where it has surely ended
FAINT = 20  # grey levels by which all four arms must stand out to look further
MOST = 60  # marks looked at in a frame; real frames have about ten places that are worth it
PART = 20  # percent of a mark that echoes may hide
EVEN = 0.5  # of its usual contrast that a mark has nearly everywhere; letters with a crossing in them do not
SURE = 42  # grey levels by which the rest stands out where it is a mark; one real frame in a hundred reaches it
PAIRED = 33  # and where there is a second one like it
DOTTED = 0.2  # of a line that is dots beyond what tissue has; one pixel in four to eight, seen three wide
GAPLESS = 0.9  # of a line: a drawn one, or fascia
PARALLEL = 10  # pixels to the lines that a dotted one is held against
EDGE = 6  # pixels at the frame's edge where no mark is looked for: the smallest has its middle further in
REACH = LONGEST + END + BESIDE + 1


@dataclass(frozen=True)
class Mark:
    """A + or, turned, an x: its middle and the length of its arms in pixels, and how sure it is in grey levels."""

    x: int
    y: int
    arm: int
    turned: bool
    score: float

    @property
    def box(self) -> Box:
        """The square around it."""
        return float(self.x - self.arm), float(self.y - self.arm), 2.0 * self.arm + 1, 2.0 * self.arm + 1

    def distance(self, other: Mark) -> int:
        """Pixels between their middles, along rows or columns, whichever is more."""
        return max(abs(self.x - other.x), abs(self.y - other.y))

    def pairs_with(self, other: Mark) -> bool:
        """Whether one measurement may have both."""
        alike = self.turned == other.turned and abs(self.arm - other.arm) <= 1
        return alike and self.distance(other) > 2 * self.arm


def find_marks(ink: Plane) -> tuple[Mark, ...]:
    """The + and x in ``(H, W)``."""
    wide = np.asarray(cv2.copyMakeBorder(ink, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE), np.uint16)
    thick = np.asarray(cv2.dilate(wide, np.ones((3, 3), np.uint8)), np.uint16)
    found: list[Mark] = []
    seen = [mark for turned in (False, True) for mark in _crosses(wide, thick, turned) if mark.score > PAIRED]
    for mark in sorted(seen, key=lambda mark: -mark.score):
        if all(mark.distance(other) > other.arm for other in found):
            found.append(mark)
    return tuple(mark for mark in found if mark.score > SURE or any(mark.pairs_with(other) for other in found))


def _crosses(wide: Plane, thick: Plane, turned: bool) -> list[Mark]:
    """Every place that may be a mark, with the arm length that suits it best."""
    ways = TURNED if turned else UPRIGHT
    lines = np.asarray(cv2.dilate(wide, np.ones((2, 2), np.uint8)), np.uint16) if turned else wide
    y, x = _places(wide, lines, ways)
    if not len(y):
        return []
    arms = np.stack([_profile(thick, y, x, way) for way in ways], 1)
    sides = np.stack([_sides(wide, y, x, way) for way in ways], 1)
    weakest = np.min([lines[y + ARM * way[1], x + ARM * way[0]] for way in ways], axis=0).astype(np.int64)
    lengths = range(ARM, LONGEST + 1)
    scores = [_score(arms, sides, weakest[:, None] - _between(wide, y, x, arm, turned), arm) for arm in lengths]
    fit = [score + _ends(arms, arm).mean(1) for score, arm in zip(scores, lengths, strict=True)]
    best, length = np.max(scores, axis=0), ARM + np.argmax(fit, axis=0)
    found = zip(x, y, length, best, strict=True)
    return [Mark(int(a) - REACH, int(b) - REACH, int(arm), turned, float(score)) for a, b, arm, score in found]


def _places(wide: Plane, lines: Plane, ways: tuple[Way, ...]) -> tuple[Numbers, Numbers]:
    """Rows and columns where all four arms stand out, the clearest first."""
    margin = REACH + EDGE
    rows, columns = wide.shape[0] - 2 * margin, wide.shape[1] - 2 * margin
    if rows < 1 or columns < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)

    def moved(plane: Plane, right: int, down: int) -> Plane:
        top, left = margin + down, margin + right
        return np.asarray(plane[top : top + rows, left : left + columns], np.uint16)

    weakest = np.full((rows, columns), np.iinfo(np.uint16).max, np.uint16)
    side = np.zeros_like(weakest)
    for right, down in ways:
        side[:] = 0
        for a, b in _flanks((right, down)):
            np.maximum(side, moved(wide, ARM * right + a, ARM * down + b), out=side)
        cv2.subtract(moved(lines, ARM * right, ARM * down), side, dst=side)
        np.minimum(weakest, side, out=weakest)
    peak = (weakest > FAINT) & (weakest == cv2.dilate(weakest, np.ones((5, 5), np.uint8)))
    y, x = np.nonzero(peak)
    clearest = np.argsort(-weakest[y, x].astype(np.int64), kind="stable")[:MOST]
    return y[clearest] + margin, x[clearest] + margin


def _flanks(way: Way) -> list[Way]:
    """Where there is nothing beside an arm: across it, and for a slanting one also outward along row and column."""
    right, down = way
    across = [(down * BESIDE, -right * BESIDE), (-down * BESIDE, right * BESIDE)]
    return across + ([(right * BESIDE, 0), (0, down * BESIDE)] if right and down else [])


def _profile(plane: Plane, y: Numbers, x: Numbers, way: Way, aside: Way = (0, 0)) -> Numbers:
    """The ink along one arm of each place and beyond, ``(n, LONGEST + END)``, or as far aside from it."""
    step = np.arange(1, LONGEST + END + 1)
    rows, columns = y[:, None] + way[1] * step + aside[1], x[:, None] + way[0] * step + aside[0]
    return np.asarray(plane[rows, columns], np.int64)


def _sides(wide: Plane, y: Numbers, x: Numbers, way: Way) -> Numbers:
    """The brightest beside each pixel of `_profile`."""
    return np.asarray(np.max([_profile(wide, y, x, way, aside) for aside in _flanks(way)], axis=0), np.int64)


def _between(wide: Plane, y: Numbers, x: Numbers, arm: int, turned: bool) -> Numbers:
    """The ink in the four corners between arms, ``(n, 4)``, near enough to the middle that a bright spot fills them."""
    near = 2 if arm < 5 else 3
    corners = [(right * (near + 1), down * (near + 1)) for right, down in UPRIGHT]
    if not turned:
        corners = [(right * near, down * near) for right, down in TURNED]
    return np.stack([wide[y + down, x + right].astype(np.int64) for right, down in corners], 1)


def _score(arms: Numbers, sides: Numbers, corners: Numbers, arm: int) -> NDArray[np.float64]:
    """By how many grey levels a mark with such arms stands out, in all but the `PART` of it where it does least."""
    along = (arms - sides)[:, :, ARM - 1 : arm].reshape(len(arms), -1)
    ends = _ends(arms, arm)
    weight = (arm + 2) // 3  # so that all ends, or all corners, are more than `PART`
    parts = np.concatenate([along, np.repeat(ends, weight, 1), np.repeat(corners, weight, 1)], 1)
    count = parts.shape[1]
    ordered = np.partition(parts, [count * PART // 100, count // 2], axis=1)
    weak, usual = ordered[:, count * PART // 100], ordered[:, count // 2]
    return np.where(weak >= EVEN * usual, weak, 0.0)


def _ends(arms: Numbers, arm: int) -> Numbers:
    """How far the ink falls at the ends of arms of this length, ``(n, 4)``."""
    return arms[:, :, arm - 2] - arms[:, :, arm + END - 1]


def dotted_lines(ink: Plane, marks: tuple[Mark, ...]) -> tuple[Box, ...]:
    """Boxes of the dotted lines that join two marks of one measurement."""
    return tuple(
        _box_between(a, b) for a, b in combinations(marks, 2) if a.turned == b.turned and _is_dotted(ink, a, b)
    )


def _is_dotted(ink: Plane, a: Mark, b: Mark) -> bool:
    """Whether there are more spots along the line between two marks than along its parallels, and gaps too."""
    ahead = np.array([b.x - a.x, b.y - a.y], np.float64)
    length = float(np.hypot(*ahead))
    at = np.arange(a.arm + 3, length - b.arm - 3)
    if len(at) < 2 * BESIDE:
        return False
    along = np.array([a.x, a.y]) + at[:, None] * ahead / length
    aside = np.array([-ahead[1], ahead[0]]) / length
    here, *parallels = (_spots(ink, along + offset * aside, aside) for offset in (0, -PARALLEL, PARALLEL))
    return DOTTED + max(parallels) < here < GAPLESS


def _spots(ink: Plane, along: NDArray[np.float64], aside: NDArray[np.float64]) -> float:
    """The share of points ``(n, 2)`` of a line, as (x, y), that stand out against both sides."""

    def at(plane: Plane, offset: int) -> Numbers:
        x, y = np.rint(along + offset * aside).astype(np.int64).T
        return np.asarray(plane[np.clip(y, 0, ink.shape[0] - 1), np.clip(x, 0, ink.shape[1] - 1)], np.int64)

    thick = np.asarray(cv2.dilate(ink, np.ones((3, 3), np.uint8)), np.uint16)
    return float((at(thick, 0) - np.maximum(at(ink, -BESIDE), at(ink, BESIDE)) > FAINT).mean())


def _box_between(a: Mark, b: Mark) -> Box:
    x, y = min(a.x, b.x), min(a.y, b.y)
    return float(x), float(y), float(abs(a.x - b.x) + 1), float(abs(a.y - b.y) + 1)
