"""What a subject is: layers, nerves, vessels and the rest, in mm, far wider than the probe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .config import PhantomConfig
from .motion import Waves, draw_waves
from .needle import Puncture, draw_puncture
from .nerve import Bundle, honeycombs, roots
from .shapes import Group, Rng
from .tissue import bone, connective, decoy, draw_layers, layer_groups
from .vessels import Vessel, draw_vessels

ANATOMY, NEEDLE = 0, 1
"""Streams of random numbers; see `sononerve.data.phantom.scene`."""
EDGE = 1.4
"""How far from the nerve the probe goes at most, in footprints."""


@dataclass(frozen=True)
class Anatomy:
    """``footprint``: width of the probe and ``depth``: the depth setting, in mm. ``ground``: all that is drawn before
    vessels, needle and nerves, in this order."""

    footprint: float
    depth: float
    ground: tuple[Group, ...]
    vessels: tuple[Vessel, ...]
    nerves: Bundle
    puncture: Puncture | None
    waves: Waves

    @property
    def half(self) -> float:
        """Half the width of what lies from the first to the last nerve, in mm."""
        left, _, right, _ = self.nerves.box
        return max(-left, right)


@lru_cache(maxsize=2)  # frames are asked for subject by subject
def draw_anatomy(config: PhantomConfig, subject: int) -> Anatomy:
    """Draw subject number ``subject``, from 0; it depends on the seed, the knobs and the frame's aspect alone."""
    rng = np.random.default_rng([config.seed, subject, ANATOMY])
    probe = config.probe
    footprint = rng.uniform(*probe.footprint_mm)
    fills = float(np.clip(footprint * config.height / config.width, *probe.depth_mm))
    deepest = fills if rng.random() < probe.fill else probe.depth_mm[1]
    low, high = config.nerve.depth_mm
    nerve_mm = rng.uniform(low, float(np.clip(0.55 * deepest, low, high)))
    usual = float(np.clip(nerve_mm / rng.uniform(0.28, 0.5), *probe.depth_mm))
    depth = deepest if deepest < probe.depth_mm[1] else usual
    around, level = connective(rng, np.array([0.0, nerve_mm]), (rng.uniform(4, 11), rng.uniform(2, 5)), probe.along_mm)
    if rng.random() < config.nerve.roots:
        nerves = roots(rng, config.nerve, nerve_mm)
    else:
        nerves = honeycombs(rng, config.nerve, nerve_mm, level)
    left, _, right, bottom = nerves.box
    half = EDGE * footprint + max(-left, right)
    layers = draw_layers(rng, config.tissue, nerve_mm, half, depth, probe.along_mm + 1.0)
    ground = layer_groups(rng, config.tissue, layers)
    if rng.random() < config.tissue.bone:
        x = rng.uniform(-0.5, 0.5) * footprint
        ground.append(bone(rng, np.array([x, max(rng.uniform(0.55, 0.95) * depth, bottom + rng.uniform(3, 8))])))
    vessels = list(draw_vessels(rng, config.blood, nerves.box))
    for side in (-1.0, 1.0):  # places like the nerve's without one, seen when the probe has slid off
        x, y = side * (half - 0.7 * footprint + rng.normal(0, 3)), nerve_mm + rng.normal(0, 1.5)
        size = (rng.uniform(4, 11), rng.uniform(2, 5))
        ground.append(connective(rng, np.array([x, max(y, 3.0)]), size, probe.along_mm)[0])
        vessels += draw_vessels(rng, config.blood, (x - 2.0, y - 1.0, x + 2.0, y + 1.0))
    ground += _decoys(rng, config, half, footprint, depth)
    ground.append(around)
    needle = np.random.default_rng([config.seed, subject, NEEDLE])  # of its own: the rest is the same without it
    punctured = needle.random() < config.needle.share
    puncture = draw_puncture(needle, config.needle, nerves.box, nerves.outlines[0]) if punctured else None
    return Anatomy(footprint, depth, tuple(ground), tuple(vessels), nerves, puncture, draw_waves(rng))


def _decoys(rng: Rng, config: PhantomConfig, half: float, footprint: float, depth: float) -> list[Group]:
    groups = []
    for _ in range(rng.poisson(config.tissue.decoys * 2 * half / footprint)):
        wide = 0.5 * float(np.exp(rng.uniform(*np.log(config.nerve.width_mm))))
        radii = (wide, max(wide / rng.uniform(*config.nerve.flatness), 0.4))
        centre = np.array([rng.uniform(-half, half), rng.uniform(0.15, 0.8) * depth])
        groups.append(decoy(rng, centre, radii))
    return groups
