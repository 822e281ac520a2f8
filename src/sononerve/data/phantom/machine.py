"""A machine's look: from the envelope to grey, as its keys and sliders are set."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Plane
from .config import Look
from .echo import blur
from .shapes import Rng

SLIDERS = 8
AVERAGED_MM = (0.16, 0.07)


@dataclass(frozen=True)
class Machine:
    """``range_db``: from black to white; ``gain_db`` ``(8,)`` from top to bottom; ``gamma``, ``smoothing`` and
    ``sharpening`` of the grey image; ``dead``: columns ``(n, 3)`` as place and width in shares of the probe, and dB;
    ``place``: where in the frame the picture lies, 0 top to 1 bottom."""

    range_db: float
    gain_db: NDArray[np.float64]
    gamma: float
    smoothing: float
    sharpening: float
    dead: NDArray[np.float64]
    place: float


def draw_machine(rng: Rng, knobs: Look) -> Machine:
    """Draw how a machine is made and set."""
    sliders = rng.uniform(*knobs.gain_db) + knobs.sliders_db * 0.6 * rng.normal(0, 1, SLIDERS).cumsum()
    numbers = [rng.uniform(*pair) for pair in (knobs.range_db, knobs.gamma, knobs.smoothing, knobs.sharpening)]
    place = float(rng.choice([0.0, 0.0, 0.5, 1.0]))
    faults = int(rng.integers(1, 4)) if rng.random() < knobs.dropout else 0
    dead = rng.uniform((0.0, 0.003, 3.0), (1.0, 0.015, 15.0), (faults, 3))
    return Machine(numbers[0], sliders, numbers[1], numbers[2], numbers[3], dead, place)


def contact_db(rng: Rng, columns: int, share: float) -> Plane:
    """What is lost in each column ``(columns,)`` in dB where, in a ``share`` of videos, a side is off the skin."""
    x = (np.arange(columns) + 0.5) / columns
    if rng.random() >= share:
        return np.zeros(columns, np.float32)
    reach, soft, most = rng.uniform(0.0, 0.3), rng.uniform(0.01, 0.06), rng.uniform(10, 40)
    from_side = x if rng.random() < 0.5 else 1 - x
    return np.asarray(most * (0.5 - 0.5 * np.tanh((from_side - reach) / soft)), np.float32)


def develop(envelope: Plane, spacing: float, machine: Machine) -> NDArray[np.uint8]:
    """Gain, log compression, filters and grey map: uint8 ``(H, W)`` of an envelope ``(H, W)``."""
    rows, columns = envelope.shape
    gain = np.interp(np.linspace(0, 1, rows), np.linspace(0, 1, SLIDERS), machine.gain_db).astype(np.float32)[:, None]
    across = (np.arange(columns) + 0.5) / columns
    lost = np.zeros(columns, np.float32)
    for place, width, db in machine.dead:
        lost += (db * np.exp(-(((across - place) / width) ** 2))).astype(np.float32)
    bright = cv2.log(np.maximum(averaged(envelope, spacing, machine.smoothing), np.float32(1e-6))) * np.float32(
        20 / np.log(10)
    )
    grey = 1 + (bright + gain - lost) / np.float32(machine.range_db)
    grey = np.asarray(smoothed(grey.clip(-0.2, 1.1), machine.smoothing), np.float32)
    if machine.sharpening > 0:
        grey = grey + np.float32(machine.sharpening) * (grey - blur(grey, 1.5, 1.5))
    return np.asarray(np.rint(255 * grey.clip(0, 1) ** machine.gamma), np.uint8)


def averaged(envelope: Plane, spacing: float, strength: float) -> Plane:
    """Average the power of neighbours, as machines do by compounding: speckle loses its black holes."""
    if strength <= 0:
        return envelope
    across, down = (max(mm * strength / spacing, 0.3) for mm in AVERAGED_MM)
    return np.asarray(np.sqrt(blur(envelope * envelope, down, across)), np.float32)


def smoothed(grey: Plane, strength: float) -> Plane:
    """Speckle reduction by a bilateral filter, mixed in by ``strength`` 0..1; edges stay."""
    if strength <= 0:
        return grey
    calm = cv2.bilateralFilter(grey, 9, 0.12, 2.5)
    return np.asarray(grey + np.float32(strength) * (calm - grey), np.float32)
