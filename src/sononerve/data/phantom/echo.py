"""From tissue to the envelope of its echoes.

Scatterers are a complex circular Gaussian noise times the root of the tissue's echo. Blurred by the pulse (axially)
and by the beam (laterally, wider away from the focus), their magnitude is fully developed speckle: Rayleigh's
distribution, mean over standard deviation 1.91 (Wagner et al. 1983, Statistics of speckle in ultrasound B-scans).
Reflectors add coherently. Sound is lost on its way, so that bone casts a shadow and blood does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Plane
from .config import Echo
from .shapes import Rng

Field = NDArray[np.float32]
"""Complex echoes ``(H, W, 2)``: real and imaginary part."""

SCATTER = 2
"""Stream of random numbers of scatterers."""
GRAIN = 0.7  # pixels by which scatterers are blurred before they are moved, so that moving does not change them
ROOM = 1.25  # scatterers repeat after this many frames
SLICE_MM = 0.8
"""Along the nerve, after so many mm other scatterers are seen."""
BANDS = 1.4  # ratio of the beam's widths between which rows are blended
LINE_MM = 0.12  # a strand of this thickness echoes with its own brightness
CLOUD_MM = 0.2  # of a pixel of the clouds
CLOUD_PIXELS = 320
HAZE_MM, HAZE_DB = 6.0, -11.0
"""Side lobes: what is near is faintly seen in dark places too."""
DIFFUSE = 0.4
"""Of the echo of a reflector, what is scattered and so has speckle."""


@dataclass(frozen=True)
class Beam:
    """Pulse and beam in mm: ``axial`` and, at ``focus`` mm depth, ``lateral`` standard deviation; ``waist``: how far
    from the focus the beam is 1.4 times as wide."""

    axial: float
    lateral: float
    focus: float
    waist: float

    def width(self, depth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lateral standard deviation in mm at ``depth`` in mm."""
        return np.asarray(self.lateral * np.sqrt(1 + ((depth - self.focus) / self.waist) ** 2))


@dataclass(frozen=True)
class Sound:
    """What a machine and a subject make of sound: ``loss`` in dB/mm, how much of it gain gives back, noise in dB."""

    beam: Beam
    loss: float
    repaid: float
    noise_db: float
    clouds_db: float
    looks: int


def draw_sound(rng: Rng, knobs: Echo, depth: float) -> Sound:
    """Draw the physics of one machine for a depth setting in mm."""
    beam = Beam(
        rng.uniform(*knobs.axial_mm),
        rng.uniform(*knobs.lateral_mm),
        rng.uniform(*knobs.focus) * depth,
        rng.uniform(*knobs.waist_mm),
    )
    return Sound(
        beam,
        rng.uniform(*knobs.loss_db_mm),
        rng.uniform(*knobs.repaid),
        rng.uniform(*knobs.noise_db),
        rng.uniform(*knobs.clouds_db),
        knobs.looks,
    )


def kernel(sigma: float, *, noise: bool = False) -> Plane:
    """A Gaussian of ``sigma`` pixels that keeps the mean, or for white ``noise`` the power."""
    size = 2 * int(np.ceil(3 * sigma)) + 1
    taps = np.asarray(cv2.getGaussianKernel(size, max(sigma, 0.05)), np.float32)
    return taps / np.sqrt((taps**2).sum()) if noise else taps


def blur(plane: Plane, rows: float, columns: float) -> Plane:
    """Blur ``(H, W)`` or ``(H, W, n)`` by standard deviations in pixels, keeping its mean."""
    across, down = kernel(columns), kernel(rows)
    return np.asarray(cv2.sepFilter2D(plane, cv2.CV_32F, across, down, borderType=cv2.BORDER_REFLECT), np.float32)


@lru_cache(maxsize=3)
def scatterers(seed: tuple[int, ...], rows: int, columns: int) -> Field:
    """Complex noise of power 1, blurred by `GRAIN`, that repeats seamlessly."""
    rng = np.random.default_rng([*seed, SCATTER])
    noise = rng.standard_normal((rows, columns, 2), np.float32) * np.float32(np.sqrt(0.5))
    pad = 4
    wrapped = np.pad(noise, ((pad, pad), (pad, pad), (0, 0)), mode="wrap")
    taps = kernel(GRAIN, noise=True)
    return np.asarray(cv2.sepFilter2D(wrapped, cv2.CV_32F, taps, taps)[pad:-pad, pad:-pad], np.float32)


@lru_cache(maxsize=2)
def clouds(seed: tuple[int, ...]) -> Field:
    """How the tissue's echo varies, mean 0 and deviation 1: round clouds and flat grain, ``(320, 320, 2)``."""
    rng = np.random.default_rng([*seed, SCATTER + 1])
    noise = rng.standard_normal((CLOUD_PIXELS, CLOUD_PIXELS, 2), np.float32)
    planes = []
    for channel, (rows, columns) in enumerate(((0.5, 1.1), (0.12, 0.8))):
        pad = 32
        wrapped = np.pad(noise[..., channel], pad, mode="wrap")
        down, across = (kernel(mm / CLOUD_MM, noise=True) for mm in (rows, columns))
        planes.append(cv2.sepFilter2D(wrapped, cv2.CV_32F, across, down)[pad:-pad, pad:-pad])
    return np.ascontiguousarray(np.stack(planes, axis=-1))


def sample(plane: Field, at: NDArray[np.float32], pixel_mm: float) -> Field:
    """Values of a plane that repeats, at points ``at`` ``(H, W, 2)`` in mm."""
    rows, columns = plane.shape[:2]
    where = (at / np.float32(pixel_mm)) % np.array([columns, rows], np.float32) + 2
    wrapped = cv2.copyMakeBorder(plane, 2, 4, 2, 4, cv2.BORDER_WRAP)
    nothing = np.zeros(0, np.float32)  # x and y are in one map
    return np.asarray(cv2.remap(wrapped, where, nothing, cv2.INTER_CUBIC), np.float32)


def moving_scatterers(seed: tuple[int, ...], at: NDArray[np.float32], spacing: float, along: float) -> Field:
    """Scatterers ``(H, W, 2)`` that stay with the tissue ``at`` (mm) and change as the probe slides ``along`` (mm)."""
    rows, columns = (int(ROOM * n) + 8 for n in at.shape[:2])
    place = along / SLICE_MM
    first = int(np.floor(place))
    mix = (place - first) * np.pi / 2  # cosine and sine keep the power
    parts = ((np.cos(mix), first), (np.sin(mix), first + 1))
    planes = [np.float32(w) * scatterers((*seed, k % 2**32), rows, columns) for w, k in parts]
    return sample(planes[0] + planes[1], at, spacing)


def through_beam(echoes: Field, spacing: float, beam: Beam) -> Field:
    """Blur complex echoes ``(H, W, 2)`` by pulse and beam, keeping the power of noise that was blurred by `GRAIN`."""
    depth = (np.arange(len(echoes), dtype=np.float64) + 0.5) * spacing
    wanted = np.log(np.maximum(beam.width(depth) / spacing, GRAIN))
    bands = np.arange(wanted.min(), wanted.max() + np.log(BANDS), np.log(BANDS))
    axial = max(beam.axial / spacing, GRAIN)
    out = np.zeros_like(echoes)
    for band in bands:
        weight = np.clip(1 - np.abs(wanted - band) / np.log(BANDS), 0, 1).astype(np.float32)
        rows = np.flatnonzero(weight)
        if not len(rows):
            continue
        down, across = _rest(axial), _rest(float(np.exp(band)))
        reach = len(down)
        first, last = max(rows[0] - reach, 0), rows[-1] + 1 + reach
        part = cv2.sepFilter2D(echoes[first:last], cv2.CV_32F, across, down, borderType=cv2.BORDER_REFLECT)
        inner = slice(rows[0] - first, rows[-1] + 1 - first)
        out[rows[0] : rows[-1] + 1] += part[inner] * weight[rows[0] : rows[-1] + 1, None, None]
    return out


def _rest(sigma: float) -> Plane:
    """What is still missing to a blur of ``sigma`` pixels, scaled so that noise blurred by `GRAIN` keeps its power."""
    taps = kernel(float(np.sqrt(max(sigma**2 - GRAIN**2, 0.0))))
    whole = np.convolve(taps.ravel(), kernel(GRAIN, noise=True).ravel())
    return np.asarray(taps / np.sqrt((whole**2).sum()), np.float32)


def way_db(loss: Plane, spacing: float, sound: Sound) -> Plane:
    """What the sound loses to each pixel and back, less what gain over depth gives back, in dB ``(H, W)``."""
    lost = np.cumsum(loss, axis=0) * np.float32(spacing * sound.loss)
    lost = blur(lost, 0.0, 0.5 / spacing)
    return np.asarray(lost - _given_back(len(loss), spacing, sound), np.float32)


def _given_back(rows: int, spacing: float, sound: Sound) -> Plane:
    depth = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(spacing)
    return np.asarray((depth * sound.loss * sound.repaid)[:, None], np.float32)


def envelope(
    level: Plane, loss: Plane, shine: Plane, noises: list[Field], rng: Rng, spacing: float, sound: Sound
) -> Plane:
    """The envelope ``(H, W)`` before compression; 1 is the brightest echo.

    ``level``: echo of the tissue in dB; ``loss``: share of sound taken; ``shine``: reflectors 0..1; ``noises``: one
    field of scatterers for each look; ``rng`` draws the electronic noise.
    """
    strength = np.power(10, blur(level, 0.12 / spacing, 0.25 / spacing) / 20).astype(np.float32)
    haze = cv2.blur(strength, (int(HAZE_MM / spacing) | 1, int(0.5 * HAZE_MM / spacing) | 1))
    lateral = float(sound.beam.width(np.array([len(level) * spacing / 2]))[0])
    axial = max(sound.beam.axial / spacing, 0.4)
    shine = blur(shine, axial, 0.8 * lateral / spacing) * np.float32(np.sqrt(2 * np.pi) * axial * spacing / LINE_MM)
    strength = strength + DIFFUSE * shine + np.float32(10 ** (HAZE_DB / 20)) * haze
    dimmed = np.power(10, -way_db(loss, spacing, sound) / 20).astype(np.float32)
    hiss = np.power(10, (sound.noise_db + _given_back(len(level), spacing, sound)) / 20).astype(np.float32)
    power = np.zeros_like(level)
    for noise in noises:
        field = through_beam(noise * strength[..., None], spacing, sound.beam)
        field[..., 0] += (1 - DIFFUSE) * shine
        field *= dimmed[..., None]
        field += rng.standard_normal(field.shape, np.float32) * (hiss * np.float32(np.sqrt(0.5)))[..., None]
        power += field[..., 0] ** 2 + field[..., 1] ** 2
    return np.asarray(np.sqrt(power / len(noises)), np.float32)
