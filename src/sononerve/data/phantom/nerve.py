"""Nerves in cross-section: honeycombs of fascicles in a bright epineurium, and dark roots without one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .config import Nerve
from .shapes import Group, Points, Region, Rng, Strands, join, oval, streaks, wall

NERVE = 1
GAP = 0.08
UNDER_MM = 2.0
"""What skin and fat lie over a nerve at least."""
TILTED_DB = 7.0
"""Echo that the stroma of a nerve loses at 10 degrees of tilt."""


@dataclass(frozen=True)
class Bundle:
    """The nerves of a subject that lie together: what is drawn, their outlines, and the box around all of them in mm.

    ``box``: (left, top, right, bottom).
    """

    groups: tuple[Group, ...]
    outlines: tuple[Points, ...]

    @property
    def box(self) -> tuple[float, float, float, float]:
        points = np.concatenate(self.outlines)
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        return left, top, right, bottom


def sizes(rng: Rng, knobs: Nerve, depth: float) -> list[tuple[Points, tuple[float, float], float]]:
    """Centre in mm, radii in mm and lean in radians of each honeycomb, side by side about (0, ``depth``)."""
    more = int(rng.integers(1, 3))
    count = 1 + more if rng.random() < knobs.more else 1
    width = np.exp(rng.uniform(*np.log(knobs.width_mm)))
    found: list[tuple[Points, tuple[float, float], float]] = []
    x = 0.0
    for number in range(count):
        half = 0.5 * (width if number == 0 else width * rng.uniform(0.4, 0.9))
        height = max(half / rng.uniform(*knobs.flatness), 0.35)
        x += half if number else 0.0
        lean = float(np.deg2rad(rng.uniform(*knobs.lean_deg)))
        # a leaning nerve above or below its neighbour
        y = depth + (rng.normal(0, 1.2) if number else 0.0)
        found.append((np.array([x, max(y, 1.3 * height + UNDER_MM)]), (half, height), lean))
        x += half + rng.uniform(0.3, 3.0)
    middle = 0.5 * (found[0][0][0] - found[0][1][0] + x)
    return [(centre - (middle, 0), radii, lean) for centre, radii, lean in found]


def honeycombs(rng: Rng, knobs: Nerve, depth: float, around_db: float) -> Bundle:
    """One to three nerves at ``depth`` mm in tissue that echoes by ``around_db``."""
    drawn = [_honeycomb(rng, knobs, *place, around_db) for place in sizes(rng, knobs, depth)]
    return Bundle(tuple(group for group, _ in drawn), tuple(outline for _, outline in drawn))


def _honeycomb(
    rng: Rng, knobs: Nerve, centre: Points, radii: tuple[float, float], lean: float, around_db: float
) -> tuple[Group, Points]:
    shape, fibrils, packing = rng.spawn(3)
    outline = oval(shape, centre, radii, shape.uniform(0.06, 0.24), lean)
    stroma = around_db + rng.uniform(*knobs.bright_db)
    rim = rng.uniform(*knobs.rim)
    inner = centre + 0.86 * (outline - centre)
    regions = [
        Region(centre + 1.12 * (outline - centre), 0.5 * (stroma + around_db), tilted=0.5 * TILTED_DB),
        Region(outline, stroma - 1.0, tilted=TILTED_DB, label=NERVE),
        Region(inner, stroma, tilted=TILTED_DB),
    ]
    lines = [wall(rng, outline, rim, rng.uniform(0.08, 0.2)), _fibrils(fibrils, centre, radii, lean, rim)]
    level = stroma - rng.uniform(*knobs.contrast_db)
    for place, radius in _packed(packing, inner, radii, lean, rng.uniform(*knobs.fascicle)):
        fascicle = oval(packing, place, (radius * packing.uniform(1.0, 1.3), radius * 0.95), 0.15, lean)
        regions.append(Region(fascicle, level + packing.normal(0, 1.5), 0.8, 0.4 * TILTED_DB))
        lines.append(wall(packing, fascicle, rim * packing.uniform(0.2, 0.9), 0.08))
    return Group(tuple(regions), join(lines)), outline


def _fibrils(rng: Rng, centre: Points, radii: tuple[float, float], lean: float, shine: float) -> Strands:
    at = centre + rng.uniform(-0.75, 0.75, (int(4 * radii[0] * radii[1]) + 2, 2)) * radii
    return streaks(rng, at, np.full(len(at), np.tan(lean)), length=(0.3, 1.8), shine=shine, reach=(1e5, 1e6))


def _packed(
    rng: Rng, outline: Points, radii: tuple[float, float], lean: float, fascicle: float
) -> list[tuple[Points, float]]:
    """Throw fascicles into an outline, large ones first, until no more fit: centres and radii in mm."""
    contour = outline.astype(np.float32).reshape(-1, 1, 2)
    largest = max(radii[1] * fascicle, 0.22)
    gap = GAP * radii[1] + 0.05
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    taken = np.zeros((0, 3))
    places = outline.mean(0) + (rng.uniform(-1, 1, (260, 2)) * radii) @ turn
    for place, radius in zip(places, largest * np.linspace(1, 0.4, 260), strict=True):
        room = cv2.pointPolygonTest(contour, (float(place[0]), float(place[1])), True) - gap
        apart = np.hypot(taken[:, 0] - place[0], taken[:, 1] - place[1]) - taken[:, 2] - gap
        if room >= radius and (apart >= radius).all():
            taken = np.r_[taken, [[*place, radius]]]
    return [(row[:2], float(row[2])) for row in taken]


def roots(rng: Rng, knobs: Nerve, depth: float) -> Bundle:
    """Two to five dark ovals with a thin bright rim, in a row between two dark muscles."""
    count, lean = int(rng.integers(2, 6)), rng.uniform(-1.2, 1.2)
    step = np.array([np.cos(lean), np.sin(lean)])
    half = min(0.25 * np.exp(rng.uniform(*np.log(knobs.width_mm))) + 0.6, 0.35 * depth)
    along, places = 0.0, []
    for _ in range(count):
        radius = half * rng.uniform(0.6, 1.0)
        along += radius
        places.append((along, radius))
        along += radius + rng.uniform(0.2, 0.9)
    span = abs(step[1]) * along
    depth = max(depth, 0.5 * span + 1.2 * half + UNDER_MM)
    level, rim = rng.uniform(-56, -47), rng.uniform(*knobs.rim)
    groups, outlines = [], []
    for place, radius in places:
        centre = np.array([0.0, depth]) + (place - along / 2) * step + rng.normal(0, 0.15, 2)
        outline = oval(rng, centre, (radius, radius * rng.uniform(0.75, 1.0)), 0.12, rng.normal(0, 0.3))
        inner = centre + 0.8 * (outline - centre)
        regions = (Region(outline, level + 8, tilted=4.0, label=NERVE), Region(inner, level + rng.normal(0, 1.5)))
        spots = streaks(
            rng,
            centre + rng.normal(0, 0.3 * radius, (3, 2)),
            np.zeros(3),
            length=(0.2, 0.8),
            shine=0.15,
            reach=(1e5, 1e6),
        )
        groups.append(Group(regions, join([wall(rng, outline, 0.8 * rim), spots])))
        outlines.append(outline)
    return Bundle(tuple(groups), tuple(outlines))
