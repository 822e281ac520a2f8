"""What tissue is drawn from: regions that echo, and strands that reflect. Coordinates are (x, y) in mm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Points = NDArray[np.float64]
"""Points ``(n, 2)`` as (x, y) in mm: x across, 0 in the middle of the nerves; y down from the skin."""

OVAL_POINTS = 48


@dataclass(frozen=True)
class Region:
    """A patch of tissue that hides what was drawn before.

    ``level``: its echo in dB under the brightest. ``loss``: what it takes of the sound, of what tissue takes.
    ``tilted``: dB of echo lost at 10 degrees of tilt. ``label``: what the mask says of it. ``covers``: whether it hides
    strands too; loose tissue does not.
    """

    outline: Points
    level: float
    loss: float = 1.0
    tilted: float = 0.0
    label: int = 0
    covers: bool = True


@dataclass(frozen=True)
class Strands:
    """Thin reflectors, cut into short segments.

    ``ends`` ``(n, 2, 2)``: both ends of each in mm. ``shine``: brightness 0..1, ``thick``: mm, ``place`` and
    ``reach``: where along the nerve it is seen best, and over how many mm; all ``(n,)``.
    """

    ends: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2, 2)))
    shine: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    thick: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    place: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    reach: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True)
class Group:
    """Regions drawn in their order, then strands, which the regions of later groups may cover."""

    regions: tuple[Region, ...] = ()
    strands: Strands = field(default_factory=Strands)


def join(parts: list[Strands]) -> Strands:
    """All segments of ``parts``."""
    if not parts:
        return Strands()
    names = ("ends", "shine", "thick", "place", "reach")
    return Strands(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def strand(
    rng: Rng,
    line: Points,
    shine: float,
    thick: float = 0.12,
    *,
    place: float = 0.0,
    reach: float = 1e6,
    gaps: float = 1.0,
) -> Strands:
    """A line ``(n, 2)`` as a reflector of ``thick`` mm whose ends fade and whose brightness wavers by ``gaps``."""
    count = len(line) - 1
    middle = (np.arange(count) + 0.5) / count
    fade = np.minimum(1, 5 * np.minimum(middle, 1 - middle) + 0.15)
    waver = np.exp(gaps * (_waver(rng, count) - 0.3))
    ends = np.stack((line[:-1], line[1:]), axis=1)
    full = np.ones(count)
    return Strands(ends, (shine * fade * waver).clip(0, 1), thick * full, place * full, reach * full)


def _waver(rng: Rng, count: int) -> NDArray[np.float64]:
    """Smooth noise ``(count,)`` of mean 0 and deviation 1."""
    return np.asarray(np.convolve(rng.normal(size=count + 6), np.array([1, 3, 5, 6, 5, 3, 1]) / 10.3, "valid"))


def oval(rng: Rng, centre: Points, radii: tuple[float, float], wobble: float, lean: float = 0.0) -> Points:
    """An uneven oval ``(48, 2)`` with ``radii`` (x, y) in mm, turned by ``lean`` radians."""
    angle = np.linspace(0, 2 * np.pi, OVAL_POINTS, endpoint=False)
    radius = np.ones(OVAL_POINTS)
    for order in (2, 3, 4, 5):
        radius += 2 * wobble * rng.normal() / order**1.5 * np.sin(order * angle + rng.uniform(0, 2 * np.pi))
    round_ = np.c_[np.cos(angle), np.sin(angle)] * radii * radius.clip(0.6, 1.4)[:, None]
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    return np.asarray(centre + round_ @ turn)


def wall(rng: Rng, outline: Points, shine: float, thick: float = 0.12) -> Strands:
    """The wall of an oval: what lies across the beam reflects it, the sides hardly (the canvas sees to that)."""
    ring = np.r_[outline, outline[:1]]
    strands = strand(rng, ring, 1.0, thick)
    whole = (shine * np.exp(0.9 * (_waver(rng, len(strands)) - 0.3))).clip(0, 1)  # a ring has no ends that fade
    return Strands(strands.ends, whole, strands.thick, strands.place, strands.reach)


def curve(rng: Rng, x: NDArray[np.float64], bend: float, longest: float = 70.0) -> NDArray[np.float64]:
    """A gentle line over ``x`` that bends by about ``bend`` mm, with waves down to an eighth of ``longest`` mm."""
    y = np.zeros_like(x)
    for part in (1.0, 2.2, 4.1, 7.9):
        y += bend * rng.normal() / part * np.sin(2 * np.pi * part * x / longest + rng.uniform(0, 2 * np.pi))
    return y


def streaks(
    rng: Rng,
    at: Points,
    slope: NDArray[np.float64],
    *,
    length: tuple[float, float],
    shine: float,
    reach: tuple[float, float] = (3.0, 8.0),
    travel: float = 0.0,
) -> Strands:
    """Short bent reflectors about points ``at`` ``(n, 2)``, along ``slope`` ``(n,)``, few strong and many weak.

    Each is seen over some mm (``reach``) about a place within ``travel`` mm of the middle of the probe's way.
    """
    count, pieces = len(at), 5
    along = np.linspace(-0.5, 0.5, pieces + 1)
    size = np.exp(rng.uniform(np.log(length[0]), np.log(length[1]), count))[:, None]
    bent = (slope + rng.normal(0, 0.12, count))[:, None] * along + rng.normal(0, 0.18, count)[:, None] * along**2
    points = np.stack((at[:, :1] + size * along, at[:, 1:] + size * bent), axis=2)
    ends = np.stack((points[:, :-1], points[:, 1:]), axis=2).reshape(-1, 2, 2)
    fade = np.array([0.5, 0.9, 1.0, 0.9, 0.5])
    strong = shine * np.exp(rng.uniform(-3.0, 0, count))[:, None] * fade * rng.uniform(0.6, 1, (count, pieces))
    thick, place = rng.uniform(0.04, 0.12, count), rng.uniform(-travel, travel, count)
    each = (np.repeat(values, pieces) for values in (thick, place, rng.uniform(*reach, count)))
    return Strands(ends, strong.ravel().clip(0, 1), *each)
