"""A needle in the plane of the image, with its reverberation, and the fluid that it leaves around a nerve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import mirrored
from .config import Needle
from .shapes import Group, Points, Region, Rng, curve, join, strand

FLUID_DB, FLUID_LOSS = -60.0, 0.1
STEERED = 0.7
"""How much of what a needle loses by its angle the machine brings back, by sending beams aslant."""
PITCH_MM = 0.9
"""Between the echoes below a needle: sound that went to and fro inside it."""


@dataclass(frozen=True)
class Puncture:
    """What a video with a needle shows: where the tip comes to rest, from where, and the fluid if there is any."""

    tip: Points
    direction: Points
    shine: float
    fluid: Points | None


def draw_puncture(rng: Rng, knobs: Needle, box: tuple[float, float, float, float], outline: Points) -> Puncture:
    """Aim at the upper edge of ``box`` (mm) from one side; the fluid lies around ``outline``."""
    left, top, right, bottom = box
    side = float(rng.choice([-1.0, 1.0]))
    angle = np.deg2rad(rng.uniform(*knobs.angle_deg))
    edge = right if side > 0 else left
    tip = np.array([edge + side * rng.uniform(0.2, 1.0), top + rng.uniform(0.1, 0.6) * (bottom - top)])
    fluid = None
    if rng.random() < knobs.injectate:
        middle = outline.mean(0)
        spread = rng.uniform(*knobs.spread_mm)
        away = outline - middle
        size = np.hypot(*away.T)
        # more on the needle's side and below
        uneven = spread * (0.75 + 0.5 * np.sin(np.arctan2(away[:, 1], side * away[:, 0]) + rng.uniform(0, 1.5)))
        rough = curve(rng, np.arange(len(outline), dtype=float), 0.2, len(outline))
        fluid = middle + away * (1 + (uneven + rough).clip(0.15) / size)[:, None]
    return Puncture(tip, np.array([side * np.cos(angle), -np.sin(angle)]), rng.uniform(*knobs.brightness), fluid)


def fluid_group(puncture: Puncture) -> Group:
    """The dark fluid, to be drawn before the nerve that it surrounds."""
    return Group() if puncture.fluid is None else Group((Region(puncture.fluid, FLUID_DB, FLUID_LOSS),))


def needle_group(rng: Rng, puncture: Puncture, reverberation: float, back: float) -> Group:
    """The shaft and the echoes below it, ``back`` mm short of where the tip comes to rest."""
    tip = puncture.tip + back * puncture.direction
    length = max(tip[1], 0.5) / -puncture.direction[1]
    along = np.linspace(0, length, 25)[:, None]
    shaft = tip + along * puncture.direction
    angle = np.rad2deg(np.arcsin(-puncture.direction[1:]))
    steered = float(mirrored(angle)[0] ** -STEERED)
    lines = []
    for echo in range(7):
        shine = puncture.shine * steered * reverberation**echo
        if shine < 0.03:
            break
        thick = 0.35 if echo == 0 else 0.2
        lines.append(strand(rng, shaft + np.array([0, PITCH_MM * echo]), shine, thick, gaps=0.35 if echo == 0 else 0.8))
    return Group(strands=join(lines))
