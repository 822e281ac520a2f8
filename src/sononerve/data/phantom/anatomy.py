"""What a subject is: layers, nerves, vessels and the rest, in mm, far wider than the probe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .config import PhantomConfig
from .motion import Waves, draw_waves
from .needle import Puncture, draw_puncture
from .nerve import Bundle, honeycombs, roots
from .shapes import Group, Points, Rng
from .tissue import bone, connective, decoy, draw_layers, layer_groups
from .vessels import Vessel, draw_vessels

ANATOMY = 0
"""Stream of random numbers; see `sononerve.data.phantom.scene`."""
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
    root = np.random.default_rng([config.seed, subject, ANATOMY])
    # a stream for each part, so that a knob of one part leaves the others as they are
    seen, site, inside, layer, bony, blood, others, needle, wave = root.spawn(9)
    footprint, depth, nerve_mm = _geometry(seen, config)
    sites = site.spawn(3)
    around, level = _loose(sites[0], config, np.array([0.0, nerve_mm]))
    as_roots, shape = inside.random() < config.nerve.roots, inside.spawn(1)[0]
    nerves = roots(shape, config.nerve, nerve_mm) if as_roots else honeycombs(shape, config.nerve, nerve_mm, level)
    left, _, right, bottom = nerves.box
    depth = float(np.clip(1.15 * bottom, depth, max(depth, config.probe.depth_mm[1])))  # the nerve is in the picture
    half = EDGE * footprint + max(-left, right)
    layers = draw_layers(layer, config.tissue, nerve_mm, half, depth, config.probe.along_mm + 1.0)
    ground = layer_groups(layer, config.tissue, layers)
    bloods = blood.spawn(3)
    vessels = list(draw_vessels(bloods[0], config.blood, nerves.box))
    for side, rng, bleed in zip((-1.0, 1.0), sites[1:], bloods[1:], strict=True):
        # a place like the nerve's without one, seen when the probe has slid off
        x, y = side * (half - 0.7 * footprint + rng.normal(0, 3)), max(nerve_mm + rng.normal(0, 1.5), 3.0)
        ground.append(_loose(rng, config, np.array([x, y]))[0])
        vessels += draw_vessels(bleed, config.blood, (x - 2.0, y - 1.0, x + 2.0, y + 1.0))
    ground += [*_decoys(others, config, half, footprint, depth), around]
    if bony.random() < config.tissue.bone:
        x, y = bony.uniform(-0.5, 0.5) * footprint, bony.uniform(0.55, 0.95) * depth
        ground.append(bone(bony, np.array([x, max(y, bottom + bony.uniform(3, 8))])))
    punctured = needle.random() < config.needle.share
    puncture = draw_puncture(needle, config.needle, nerves.box, nerves.outlines[0]) if punctured else None
    return Anatomy(footprint, depth, tuple(ground), tuple(vessels), nerves, puncture, draw_waves(wave))


def _geometry(rng: Rng, config: PhantomConfig) -> tuple[float, float, float]:
    """Width of the probe, depth setting, and depth of the nerve, in mm."""
    probe, (low, high) = config.probe, config.nerve.depth_mm
    footprint, part, usual = rng.uniform(*probe.footprint_mm), rng.random(), rng.uniform(0.28, 0.5)
    if rng.random() < probe.fill:
        depth = float(np.clip(footprint * config.height / config.width, *probe.depth_mm))
        return footprint, depth, low + part * (float(np.clip(0.55 * depth, low, high)) - low)
    nerve_mm = low + part * (high - low)
    return footprint, float(np.clip(nerve_mm / usual, *probe.depth_mm)), nerve_mm


def _loose(rng: Rng, config: PhantomConfig, centre: Points) -> tuple[Group, float]:
    """Loose tissue about ``centre``, and its echo in dB."""
    return connective(rng, centre, (rng.uniform(4, 11), rng.uniform(2, 5)), config.probe.along_mm)


def _decoys(rng: Rng, config: PhantomConfig, half: float, footprint: float, depth: float) -> list[Group]:
    groups = []
    for _ in range(rng.poisson(config.tissue.decoys * 2 * half / footprint)):
        wide = 0.5 * float(np.exp(rng.uniform(*np.log(config.nerve.width_mm))))
        radii = (wide, max(wide / rng.uniform(*config.nerve.flatness), 0.4))
        centre = np.array([rng.uniform(-half, half), rng.uniform(0.15, 0.8) * depth])
        groups.append(decoy(rng, centre, radii))
    return groups
