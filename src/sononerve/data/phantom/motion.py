"""How the probe moves over the tissue in a video, and where a point of the tissue is seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .config import PhantomConfig, Probe
from .shapes import Points, Rng

STEP = 0.0618034
"""Of the sweep from one still frame to the next: irrational, so any share of frames is met in the long run."""
ATTACHED_MM = 3.0
"""Above this depth tissue stays with the skin, and the skin with the probe."""
COARSE = 8
NEAR_MM = 2.0  # waves move tissue by less
HEARTBEATS_S = 1.15
BLEND_S = 0.8
"""How long the probe takes, at least, to slide off the nerve."""


@dataclass(frozen=True)
class Pose:
    """The probe at one moment: its left edge in tissue and its place along the nerve in mm, pressure as a share of
    the depth, tilt in degrees, ``rock`` as rise per width, and how much an artery is swollen."""

    left: float
    along: float
    pressure: float
    tilt_deg: float
    rock: float
    pulse: float


@dataclass(frozen=True)
class Waves:
    """Displacement of the tissue along the nerve, as plane waves: ``turns`` ``(n, 3)`` in radians per mm of x, y and
    along, ``phase`` ``(n,)``, ``size`` ``(n, 2)`` in mm."""

    turns: NDArray[np.float64]
    phase: NDArray[np.float64]
    size: NDArray[np.float64]

    def shift(self, points: Points, along: float) -> Points:
        """Displacement of points ``(..., 2)``, in mm."""
        waves = np.sin(points @ self.turns[:, :2].T + (self.turns[:, 2] * along + self.phase))
        return np.asarray((waves @ self.size) * held(points[..., 1])[..., None])


def held(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far tissue at depth ``y`` mm is free to move: 0 at the skin, 1 below `ATTACHED_MM`."""
    return np.minimum(np.maximum(y / ATTACHED_MM, 0.0), 1.0)


def draw_waves(rng: Rng) -> Waves:
    """Gentle waves, 18 to 45 mm long, that turn once in 12 to 40 mm along the nerve."""
    angle, length = rng.uniform(0, 2 * np.pi, 4), rng.uniform(18, 45, 4)
    k = 2 * np.pi / length
    turns = np.c_[k * np.cos(angle), k * np.sin(angle), 2 * np.pi / rng.uniform(12, 40, 4) * rng.choice([-1, 1], 4)]
    return Waves(turns, rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.1, 0.35, (4, 2)))


@dataclass(frozen=True)
class Motion:
    """What the probe does in one video: ``phase`` of sweep and of five slower movements, the largest tilt, where the
    nerve lies across the view, on which side it leaves."""

    phase: NDArray[np.float64]
    tilt_deg: float
    place: float
    side: float


def draw_motion(rng: Rng, probe: Probe) -> Motion:
    """Draw how the probe is moved in one video."""
    return Motion(
        rng.uniform(0, 1, 6), rng.uniform(*probe.tilt_deg), rng.uniform(*probe.place), float(rng.choice([-1.0, 1.0]))
    )


def time_of(config: PhantomConfig, index: int) -> float:
    """Seconds from the start of the video to frame ``index``."""
    return index / config.probe.fps if config.video else index * STEP * config.probe.sweep_s


def pose_at(config: PhantomConfig, motion: Motion, time_s: float, footprint: float, half: float) -> Pose:
    """Where the probe is at ``time_s``; ``footprint`` and ``half`` the nerves' half width in mm."""
    probe, turn = config.probe, time_s / config.probe.sweep_s
    one, two, three, four, five = np.sin(2 * np.pi * (turn * np.array([1.4, 0.7, 2.3, 1.7, 2.9]) + motion.phase[1:]))
    spread = np.linspace(-BLEND_S, BLEND_S, 17) / probe.sweep_s if config.video else np.zeros(1)
    u = (turn + motion.phase[0] + spread) % 1
    centre = float(np.mean([_nerve_at(float(v), config.empty, motion, footprint, half) for v in u]))
    heart = 0.5 + 0.5 * np.sin(2 * np.pi * (time_s / HEARTBEATS_S + motion.phase[1]))
    return Pose(
        left=-(centre + 0.5 * probe.slide_mm * float(one)),
        along=probe.along_mm * float(two),
        pressure=probe.pressure * float(0.5 + 0.5 * three),
        tilt_deg=motion.tilt_deg * float(four),
        rock=float(np.tan(np.deg2rad(probe.rock_deg))) * float(five),
        pulse=config.blood.pulse * float(heart),
    )


def _nerve_at(u: float, empty: float, motion: Motion, footprint: float, half: float) -> float:
    """Where in the view the nerves' middle lies, in mm, at share ``u`` of the sweep; beyond it while u < empty."""
    middle = footprint / 2
    inside = max(middle - 0.7 * min(half, 0.6 * footprint), 0.1 * footprint)
    usual = (motion.place - 0.5) * footprint
    if u >= empty:
        way = (u - empty) / (1 - empty) if empty < 1 else 0.5
        near = abs(2 * way - 1) ** 5 if empty > 0 else 0.0
        return middle + usual * (1 - near) + motion.side * inside * near
    beyond = half + 3.0 + 0.3 * footprint * np.sin(np.pi * u / empty)
    return float(middle + motion.side * (middle + beyond))


@dataclass(frozen=True)
class View:
    """What the probe sees: ``rows`` and ``columns`` of ``spacing`` mm at ``pose``, in tissue that ``waves`` move."""

    rows: int
    columns: int
    spacing: float
    pose: Pose
    waves: Waves

    def pixels(self, points: Points) -> Points:
        """Where points ``(..., 2)`` of the tissue in mm are seen, as (x, y) in pixels; pixel centres are whole."""
        seen = points + self.waves.shift(points, self.pose.along)
        seen[..., 0] -= self.pose.left
        rise = self._rise(seen[..., 0], seen[..., 1])
        seen[..., 1] *= 1 - self.pose.pressure
        seen[..., 1] += rise
        return np.asarray(seen / self.spacing - 0.5)

    def shows(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether some of each ``(n, m)`` points at ``x`` mm of the tissue may lie between the sides of the view."""
        left, right = self.pose.left - NEAR_MM, self.pose.left + self.columns * self.spacing + NEAR_MM
        return np.asarray((x.max(axis=-1) > left) & (x.min(axis=-1) < right))

    def _rise(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.pose.rock * (x - 0.5 * self.columns * self.spacing) * held(y))

    def tissue(self) -> NDArray[np.float32]:
        """The point of the tissue that each pixel shows, (x, y) in mm: ``(rows, columns, 2)``."""
        rows, columns = (max(n // COARSE, 2) for n in (self.rows, self.columns))
        y, x = np.meshgrid(
            (np.arange(rows) + 0.5) * self.rows / rows * self.spacing,
            (np.arange(columns) + 0.5) * self.columns / columns * self.spacing,
            indexing="ij",
        )
        found = np.stack((x + self.pose.left, y), axis=-1)
        for _ in range(4):  # the tissue that is seen at x, y once it has moved
            moved = self.waves.shift(found, self.pose.along)
            found[..., 0] = x + self.pose.left - moved[..., 0]
            risen = self._rise(x, found[..., 1] + moved[..., 1])
            found[..., 1] = (y - risen) / (1 - self.pose.pressure) - moved[..., 1]
        fine = cv2.resize(found.astype(np.float32), (self.columns, self.rows), interpolation=cv2.INTER_LINEAR)
        return np.asarray(fine, np.float32)
