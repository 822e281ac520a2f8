"""Skin, fat, fascia, muscle and bone: the layers of one subject, and what is neither nerve nor vessel in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .config import Tissue
from .shapes import Group, Points, Region, Rng, Strands, curve, join, oval, strand, streaks, wall

SKIN_DB, FAT_DB, MUSCLE_DB, CONNECTIVE_DB = (-47, -40), (-49, -40), (-56, -43), (-42, -35)
BONE_DB, BONE_LOSS = -52.0, 12.0
SEEN_MM, SHEET_SEEN_MM = 5.0, 12.0
"""How far along the nerve a streak or a sheet is seen, about: they come and go as the probe slides."""


@dataclass(frozen=True)
class Layers:
    """Where the layers meet: depth in mm ``(n,)`` over ``x`` in mm, and the reach along the nerve in mm."""

    x: NDArray[np.float64]
    skin: NDArray[np.float64]
    fascia: NDArray[np.float64]
    deep: NDArray[np.float64]
    bottom: float
    travel: float

    def depth(self, name: str, x: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Depth of the lower edge ``skin``, ``fascia`` or ``deep`` at ``x`` mm."""
        return np.asarray(np.interp(x, self.x, getattr(self, name)))

    def below(self, y: NDArray[np.float64], level: float, loss: float = 1.0) -> Region:
        """All that lies deeper than ``y`` ``(n,)``."""
        corners = np.array([[self.x[-1], 2 * self.bottom], [self.x[0], 2 * self.bottom]])
        return Region(np.r_[np.c_[self.x, y], corners], level, loss)


def draw_layers(rng: Rng, knobs: Tissue, nerve_mm: float, half: float, bottom: float, travel: float) -> Layers:
    """Lay the layers of a subject so that a nerve at ``nerve_mm`` lies under one of them; ``half`` its width in mm."""
    x = np.arange(-half, half + 1, 0.75)
    skin = rng.uniform(*knobs.skin_mm) + curve(rng, x, 0.08)
    bend = rng.uniform(*knobs.bend_mm)
    thick = rng.uniform(*knobs.muscle_mm)
    # the nerve lies just under the first sheet, or between two layers of muscle
    first = nerve_mm - (rng.uniform(0.5, 2.5) if rng.random() < 0.5 else thick)
    fat = np.clip(first - skin.mean(), *knobs.fat_mm)
    fascia = np.maximum(skin + 0.5, skin.mean() + fat + curve(rng, x, bend))
    deep = fascia + np.maximum(0.3 * thick, thick + curve(rng, x, 1.5 * bend))
    return Layers(x, skin, fascia, deep, bottom, travel)


def layer_groups(rng: Rng, knobs: Tissue, layers: Layers) -> list[Group]:
    """Skin, fat with septa, then muscle above and below the deep fascia."""
    x, (fatty, upper, lower, sheets) = layers.x, rng.spawn(4)
    top = np.array([[x[0], -2.0], [x[-1], -2.0]])
    regions = [Region(np.r_[top, [[x[-1], 2 * layers.bottom], [x[0], 2 * layers.bottom]]], rng.uniform(*SKIN_DB))]
    regions.append(layers.below(layers.skin, rng.uniform(*FAT_DB)))
    strands = [_skin_lines(rng, layers), _septa(fatty, knobs, layers)]
    groups = [Group(tuple(regions), join(strands))]
    groups.append(_muscles(upper, knobs, layers, layers.fascia, layers.deep))
    floor = layers.deep + rng.uniform(10, 25) + curve(rng, x, 3.0)
    groups.append(_muscles(lower, knobs, layers, layers.deep, floor))
    for _ in range(sheets.integers(0, 4)):  # within the fat
        part = sheets.uniform(0.2, 0.95)
        sheet = layers.skin * (1 - part) + layers.fascia * part + curve(sheets, x, 0.4)
        groups.append(_fascia(sheets, knobs, layers, sheet, sheets.uniform(0.2, 0.8)))
    groups += [_fascia(sheets, knobs, layers, edge) for edge in (layers.fascia, layers.deep)]
    return groups


def _skin_lines(rng: Rng, layers: Layers) -> Strands:
    """The white line at the probe, its echoes, and the lower edge of the skin."""
    x, lines = layers.x[::4], []
    shine = rng.uniform(0.1, 0.8)
    for echo in range(rng.integers(1, 4)):
        line = np.c_[x, np.full(len(x), 0.12 + 0.35 * echo)]
        lines.append(strand(rng, line, shine * 0.45**echo, 0.15, gaps=0.05))
    edge = np.c_[x, layers.depth("skin", x)]
    return join([*lines, strand(rng, edge, rng.uniform(0.03, 0.2), 0.1)])


def _septa(rng: Rng, knobs: Tissue, layers: Layers) -> Strands:
    """Long sheets in the fat that lie about as its layers do."""
    thickness = float((layers.fascia - layers.skin).mean())
    span = layers.x[-1] - layers.x[0]
    many = span / 10 * thickness / 5 * rng.uniform(*knobs.septa) * _visits(layers.travel, SHEET_SEEN_MM)
    lines = []
    for _ in range(rng.poisson(min(many, 2000.0))):
        x = rng.uniform(layers.x[0], layers.x[-1]) + np.linspace(-0.5, 0.5, 15) * np.exp(rng.uniform(1.4, 3.8))
        part = rng.uniform(0.05, 0.95) + 0.04 * rng.normal() * np.linspace(-1, 1, 15)
        y = layers.depth("skin", x) * (1 - part) + layers.depth("fascia", x) * part + curve(rng, x, 0.35, 40.0)
        place = rng.uniform(-layers.travel, layers.travel)
        shine, thick = 0.8 * np.exp(rng.uniform(-2.8, 0)), rng.uniform(0.04, 0.12)
        lines.append(strand(rng, np.c_[x, y], shine, thick, place=place, reach=SHEET_SEEN_MM))
    return join(lines)


def _visits(travel: float, seen_mm: float) -> float:
    """How many times more strands there must be than are seen at one place along the nerve."""
    return max(1.0, 2 * travel / (1.77 * seen_mm))  # 1.77, the root of pi: the area of their fading


def _fascia(rng: Rng, knobs: Tissue, layers: Layers, edge: NDArray[np.float64], part: float = 1.0) -> Group:
    """A sheet along an edge: one long line, and others that part from it and join it again."""
    shine, x, lines = part * rng.uniform(*knobs.fascia), layers.x, []
    lines.append(strand(rng, np.c_[x, edge], 0.75 * shine, rng.uniform(0.05, 0.14)))
    for _ in range(int((x[-1] - x[0]) / 9)):
        first = rng.integers(0, max(len(x) - 30, 1))
        piece = slice(first, first + int(rng.integers(14, 60)))
        aside = rng.normal(0, 0.7) * np.sin(np.linspace(0, np.pi, len(x[piece]))) + rng.normal(0, 0.3)
        place, reach = rng.uniform(-layers.travel, layers.travel), rng.uniform(8, 30)
        line = np.c_[x[piece], edge[piece] + aside]
        lines.append(strand(rng, line, shine * rng.uniform(0.2, 1), rng.uniform(0.04, 0.13), place=place, reach=reach))
    thick = np.maximum(rng.uniform(0.05, 0.4) + curve(rng, x, 0.2, 30.0), 0.02)
    band = Region(np.r_[np.c_[x, edge - 0.4 * thick], np.c_[x, edge + thick][::-1]], rng.uniform(*CONNECTIVE_DB) - 3)
    return Group((band,), join(lines))


def _muscles(rng: Rng, knobs: Tissue, layers: Layers, top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Group:
    """Muscles side by side between two edges, each with its own echo, fibres and lean, parted by oblique septa."""
    x = layers.x
    regions, strands = [layers.below(top, rng.uniform(*MUSCLE_DB))], []
    left, end = float(x[0]), float(x[-1])
    while left < end:
        right = left + rng.uniform(14, 45)
        lean = rng.normal(0, 18)
        rows = np.linspace(0, 1, 25)
        foot = left + lean * rows ** rng.uniform(0.6, 1.8) + curve(rng, rows, 0.5, 3.0)
        line = np.c_[foot, np.interp(foot, x, top) * (1 - rows) + np.interp(foot, x, bottom) * rows]
        keep = x > max(left, left + lean)
        deep = np.c_[x[keep], bottom[keep]]
        outline = np.r_[line, deep, np.c_[x, top][x > left][::-1]]
        if keep.sum() > 2 and left > x[0]:
            regions.append(Region(outline, rng.uniform(*MUSCLE_DB)))
            shine = 0.8 * rng.uniform(*knobs.fascia)
            band = rng.uniform(0.1, 0.7) * np.sin(np.pi * rows) + 0.1
            regions.append(
                Region(
                    np.r_[line - np.c_[band, 0 * band], (line + np.c_[band, 0 * band])[::-1]],
                    rng.uniform(*CONNECTIVE_DB) - 4,
                )
            )
            strands.append(strand(rng, line, shine, rng.uniform(0.1, 0.4)))
        strands.append(_fibres(rng.spawn(1)[0], knobs, layers, (left, right), top, bottom))
        left = right
    return Group(tuple(regions), join(strands))


def _fibres(
    rng: Rng,
    knobs: Tissue,
    layers: Layers,
    span: tuple[float, float],
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
) -> Strands:
    """Streaks between two edges that run as the muscle does."""
    height = max(0.0, float(np.interp(np.mean(span), layers.x, bottom - top)))  # where a muscle ends its edges cross
    many = (span[1] - span[0]) * height / 100 * rng.uniform(*knobs.fibres) * _visits(layers.travel, SEEN_MM)
    count = rng.poisson(min(many, 4000.0))
    x, part = rng.uniform(*span, count), rng.uniform(0.03, 0.97, count)
    y = np.interp(x, layers.x, top) * (1 - part) + np.interp(x, layers.x, bottom) * part
    rise = np.gradient(top, layers.x) * 0.5 + np.gradient(bottom, layers.x) * 0.5
    slope = np.interp(x, layers.x, rise) + rng.normal(0, 0.15)
    length = (rng.uniform(0.5, 1.2), rng.uniform(2.0, 9.0))
    return streaks(rng, np.c_[x, y], slope, length=length, shine=rng.uniform(0.2, 0.9), travel=layers.travel)


def connective(rng: Rng, centre: Points, size: tuple[float, float], travel: float) -> tuple[Group, float]:
    """Bright loose tissue around nerves and vessels, wedged in between layers, and its echo in dB."""
    level = rng.uniform(*CONNECTIVE_DB)
    lean = rng.normal(0, 0.12)
    rings = zip(np.linspace(1.6, 0.7, 7), np.linspace(9, 0, 7), strict=True)  # fading outwards, more so sideways
    regions = tuple(
        Region(oval(rng, centre, (size[0] * k**1.6, size[1] * k), 0.2, lean), level - drop, covers=False)
        for k, drop in rings
    )
    many = int(0.9 * size[0] * size[1] * _visits(travel, SEEN_MM))
    at = centre + rng.normal(0, 0.5, (min(many, 600), 2)) * size
    return Group(regions, streaks(rng, at, np.full(len(at), lean), length=(0.5, 5), shine=0.35, travel=travel)), level


def bone(rng: Rng, centre: Points) -> Group:
    """A bright arc whose lower side lies in its own shadow."""
    half, rise = rng.uniform(6, 16), rng.uniform(1, 5)
    along = np.linspace(-1, 1, 31)
    arc = centre + np.c_[half * along, rise * (along**2 - 1) + 0.08 * rng.normal(size=31).cumsum()]
    inside = Region(np.r_[arc, arc[::-1] + np.array([0, 2.5 * half])], BONE_DB, BONE_LOSS)
    lines = [
        strand(rng, arc + np.array([0, k]), s, rng.uniform(0.25, 0.5), gaps=0.5) for k, s in ((0, 1.0), (0.3, 0.5))
    ]
    return Group((inside,), join(lines))


def decoy(rng: Rng, centre: Points, radii: tuple[float, float]) -> Group:
    """Something of a nerve's size that is none: a bright knot, a tendon, a dark bundle, or a lymph node."""
    centre = np.array([centre[0], max(centre[1], 1.4 * radii[1] + 2.5)])  # below the skin
    kind = rng.choice(["knot", "tendon", "bundle", "node"])
    lean = rng.normal(0, 0.25)
    outline = oval(rng, centre, radii, 0.25, lean)
    if kind == "bundle":
        return Group((Region(outline, rng.uniform(-56, -47)),), wall(rng, outline, rng.uniform(0.05, 0.3)))
    if kind == "node":
        hilum = oval(rng, centre, (0.5 * radii[0], 0.3 * radii[1]), 0.25, lean)
        regions = (Region(outline, rng.uniform(-54, -48)), Region(hilum, rng.uniform(-41, -35)))
        return Group(regions, wall(rng, outline, rng.uniform(0.1, 0.4)))
    bright = rng.uniform(-41, -34)
    at = centre + rng.uniform(-0.7, 0.7, (int(6 * radii[0] * radii[1]) + 6, 2)) * radii
    lines = streaks(rng, at, np.full(len(at), lean), length=(0.4, 2.5), shine=rng.uniform(0.1, 0.5), reach=(1e5, 1e6))
    if kind == "tendon":
        return Group((Region(outline, bright, tilted=12.0),), join([lines, wall(rng, outline, 0.2)]))
    halo = oval(rng, centre, (1.3 * radii[0], 1.3 * radii[1]), 0.25, lean)
    return Group((Region(halo, bright - 4), Region(outline, bright)), lines)
