"""Arteries and veins: dark and round, in a soft wall; the tissue behind is brighter since blood takes no sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .config import Blood
from .shapes import Points, Rng, Strands, oval, wall

VESSEL = 2
BLOOD_DB, BLOOD_LOSS = -56.0, 0.15


@dataclass(frozen=True)
class Vessel:
    """An outline in mm, whether it is a vein, and its wall's brightness."""

    outline: Points
    vein: bool
    wall: Strands

    def at(self, pressure: float, pulse: float, softness: float) -> Points:
        """The outline under pressure (a share of the depth) and ``pulse`` (share of the radius)."""
        middle = self.outline.mean(0)
        scale = (1.0, max(1 - softness * pressure, 0.25)) if self.vein else (1 + pulse, 1 + pulse)
        return np.asarray(middle + (self.outline - middle) * scale)


def draw_vessels(rng: Rng, knobs: Blood, box: tuple[float, float, float, float]) -> tuple[Vessel, ...]:
    """An artery beside, above or below ``box`` (left, top, right, bottom in mm), and a vein beyond; none touches it."""
    if rng.random() >= knobs.artery:
        return ()
    left, top, right, bottom = box
    radius = float(np.exp(rng.uniform(*np.log(knobs.radius_mm))))
    gap = rng.uniform(0.1, 1.5) + 0.15 * radius
    side = float(rng.choice([-1.0, 1.0]))
    below = rng.random() < 0.45
    if below:
        place = np.array([rng.uniform(left, right), bottom + radius + gap])
    else:
        edge = right if side > 0 else left
        place = np.array([edge + side * (radius + gap), 0.5 * (top + bottom) + rng.uniform(-0.7, 1.0) * radius])
    place[1] = max(place[1], 1.3 * radius + 1.5)
    if top - radius - gap < place[1] < bottom + radius and left - radius < place[0] < right + radius:
        place[1] = max(place[1], bottom + radius + gap) if below else place[1]
    vessels = [_vessel(rng, knobs, place, (radius, radius * 0.96), 0.05, vein=False)]
    if rng.random() < knobs.vein:
        wide, high = radius * rng.uniform(0.7, 1.5), radius * rng.uniform(0.4, 0.9)
        x = place[0] + side * (1.15 * radius + 1.15 * wide + 0.3)
        beside = np.array([x, max(place[1] + rng.uniform(-0.5, 0.5) * radius, high + 1.5)])
        vessels.append(_vessel(rng, knobs, beside, (wide, high), 0.12, vein=True))
    return tuple(vessels)


def _vessel(rng: Rng, knobs: Blood, place: Points, radii: tuple[float, float], wobble: float, *, vein: bool) -> Vessel:
    outline = oval(rng, place, radii, wobble, rng.normal(0, 0.2) if vein else 0.0)
    shine = rng.uniform(*knobs.wall) * (0.6 if vein else 1.0)
    return Vessel(outline, vein, wall(rng, outline, shine, rng.uniform(0.15, 0.35)))
