"""Which piece of a mask is the same nerve as in the frame before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, inf, pi, sqrt

import cv2
import numpy as np

from ..frame import Area, Measurement, Segmentation

REACH = 1.5  # radii of the larger piece that a centre may have moved
SWELL = 3.0  # times that an area may have changed
LOST_S = 0.5
SMALLEST = 1e-4  # of a frame; smaller pieces are followed by nobody


@dataclass(frozen=True)
class Region:
    """One piece of the mask of one class.

    ``track``: a number from 1 that it keeps from frame to frame. ``label``: of its class. ``measured``: its own area,
    centroid and box.
    """

    track: int
    label: int
    measured: Measurement


@dataclass(frozen=True)
class _Track:
    region: Region
    seen_s: float
    """When it was last seen."""


class Tracker:
    """Gives the pieces of each frame's mask the numbers they had before; frames come in order of time.

    Pieces of one class are matched by how far their centres are apart, in radii, and how their areas differ, all at
    once (Kuhn 1955). A piece that is not seen is remembered for half a second.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._given = 0
        self._last_s = -inf

    def __call__(self, segmentation: Segmentation, time_s: float) -> tuple[Region, ...]:
        """The frame's regions, the largest first."""
        found = pieces(segmentation)
        known = [track for track in self._tracks if track.seen_s == self._last_s or time_s - track.seen_s <= LOST_S]
        self._tracks = known if time_s >= self._last_s else []
        self._last_s = time_s
        partner = _matched([track.region for track in self._tracks], found)
        regions = []
        for place, piece in enumerate(found):
            if place in partner:
                number = self._tracks[partner[place]].region.track
            else:
                self._given += 1
                number = self._given
            regions.append(replace(piece, track=number))
        unseen = [track for place, track in enumerate(self._tracks) if place not in partner.values()]
        self._tracks = [*unseen, *(_Track(region, time_s) for region in regions)]
        return tuple(regions)


def pieces(segmentation: Segmentation) -> list[Region]:
    """The pieces of the mask, the largest first, not yet numbered: their track is 0."""
    labels, spacing = segmentation.labels, segmentation.frame.spacing_mm
    found, least = [], SMALLEST * labels.size
    for label, name in enumerate(segmentation.classes, start=1):
        inside = (labels == label).view(np.uint8)
        marked = Area.above(inside, 0)
        if marked is None:
            continue
        _, _, stats, centres = cv2.connectedComponentsWithStats(inside[marked.slices], connectivity=8)
        for (left, top, width, height, area), (x, y) in list(zip(stats.tolist(), centres.tolist(), strict=True))[1:]:
            if area >= least:
                area_mm2 = None if spacing is None else area * spacing[0] * spacing[1]
                centre = x + marked.left, y + marked.top
                box = left + marked.left, top + marked.top, width, height
                found.append(Region(0, label, Measurement(name, area, area_mm2, centre, box)))
    return sorted(found, key=lambda region: -region.measured.area_px)


def _matched(before: Sequence[Region], now: Sequence[Region]) -> dict[int, int]:
    """Places in ``now`` with those in ``before`` that they go on from."""
    if not before or not now:
        return {}
    from scipy.optimize import linear_sum_assignment  # a fifth of a second that a single frame need not wait for

    apart = np.array([[_apart(old, new) for old in before] for new in now])
    rows, columns = linear_sum_assignment(np.where(np.isfinite(apart), apart, 1e6))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {new: old for new, old in pairs if np.isfinite(apart[new, old])}


def _apart(old: Region, new: Region) -> float:
    """How unlike two pieces are; infinite where they cannot be one."""
    if old.label != new.label or old.measured.centroid is None or new.measured.centroid is None:
        return inf
    (x0, y0), (x1, y1) = old.measured.centroid, new.measured.centroid
    small, large = sorted((old.measured.area_px, new.measured.area_px))
    moved, swollen = hypot(x1 - x0, y1 - y0) / sqrt(large / pi), large / small
    return moved + swollen - 1 if moved <= REACH and swollen <= SWELL else inf
