"""Frames made worse on purpose: eight corruptions, each at five severities, the same for every model.

They are of the families that training varies with, and reuse its operations where those fit; the severities go beyond
training's ranges. What happens to sound (speckle, gain, shadow, attenuation) is in dB and multiplies echoes, before log
compression. A grey level is taken to be ``255 ln(1 + 999 e) / ln(1000)`` of an echo ``e``, 0 to 1: a display of 60 dB,
on which 1 dB is about 4 grey levels. What is black stays black, as around the picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot

import numpy as np
from numpy.typing import NDArray

from ...data.augment.geometry import Rotate, Warp
from ...data.augment.intensity import Blur, Jpeg, Pixels, Shadow, Speckle
from ...frame import Sample

SEVERITIES = 5
NEPERS_PER_GREY = np.log(1000) / 255
NEPERS_PER_DB = np.log(10) / 20
GRAIN_PERCENT = 0.2
"""Speckle is noise blurred by this standard deviation, in percent of the frame's diagonal."""
SHADOW_WIDTH = 0.3
"""Of the frame's width."""

Change = Callable[[Sample, float, np.random.Generator], Sample]


@dataclass(frozen=True)
class Corruption:
    """One way in which frames get worse.

    ``parameter``: what is turned, with its unit. ``levels``: its value at severity 1 to 5. ``change``: makes the worse
    sample of a sample, a level and random numbers.
    """

    parameter: str
    levels: tuple[float, float, float, float, float]
    change: Change


def corrupt(sample: Sample, name: str, corruption: str, severity: int, seed: int = 0) -> Sample:
    """The sample made worse; with severity 0 the sample itself.

    ``name``: of the frame. ``corruption``: one of `CORRUPTIONS`. ``severity``: 0 to 5. What is random depends on
    ``seed``, ``name`` and ``corruption`` alone: a shadow stays in its place and darkens with severity. Raises
    ValueError for an unknown corruption or severity.

    >>> worse = corrupt(sample, "images/a.png", "low gain", 3)  # doctest: +SKIP
    """
    if corruption not in CORRUPTIONS:
        raise ValueError(f"corruption is {corruption!r}; expected one of {', '.join(CORRUPTIONS)}")
    if severity not in range(SEVERITIES + 1):
        raise ValueError(f"severity is {severity}; expected 0 to {SEVERITIES}")
    if severity == 0:
        return sample
    digest = hashlib.sha256(f"{seed}/{corruption}/{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    chosen = CORRUPTIONS[corruption]
    return chosen.change(sample, chosen.levels[severity - 1], rng)


def _speckle(sample: Sample, decibels: float, rng: np.random.Generator) -> Sample:
    grain = GRAIN_PERCENT / 100 * hypot(*sample.frame.shape)
    params = {"strength": 1.0, "grain": grain, "seed": float(rng.integers(2**31))}
    return _amplified(sample, decibels * (Speckle().apply(_ones(sample), params) - 1))


def _gain(sample: Sample, decibels: float, _: np.random.Generator) -> Sample:
    return _amplified(sample, decibels * _ones(sample))


def _blur(sample: Sample, percent: float, _: np.random.Generator) -> Sample:
    sigma = percent / 100 * hypot(*sample.frame.shape)
    return _shown(sample, Blur().apply(sample.frame.pixels.astype(np.float32), {"sigma": sigma}))


def _shadow(sample: Sample, decibels: float, rng: np.random.Generator) -> Sample:
    centre, top = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.1, 0.5))
    params = {"centre": centre, "width": SHADOW_WIDTH, "top": top, "loss": 1.0}
    return _amplified(sample, decibels * (Shadow().apply(_ones(sample), params) - 1))


def _attenuation(sample: Sample, decibels: float, _: np.random.Generator) -> Sample:
    depth = np.linspace(0, 1, sample.frame.shape[0], dtype=np.float32)
    return _amplified(sample, -decibels * depth[:, None] * _ones(sample))


def _jpeg(sample: Sample, quality: float, _: np.random.Generator) -> Sample:
    return _shown(sample, Jpeg().apply(sample.frame.pixels.astype(np.float32), {"quality": quality}))


def _rotation(sample: Sample, degrees: float, rng: np.random.Generator) -> Sample:
    """Frame, mask and boxes turned about the centre, one way or the other; outside is black and background.

    A box becomes the hull of the turned one.
    """
    shape = sample.frame.shape
    turn = Warp(Rotate().matrix({"degrees": degrees * float(rng.choice([-1, 1]))}, shape), None, shape)
    labels = None if sample.labels is None else turn.mask(sample.labels)
    boxes = sample.boxes
    if boxes is not None:
        corners = turn.boxes(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    frame = replace(sample.frame, pixels=turn.frame(sample.frame.pixels))
    return replace(sample, frame=frame, labels=labels, boxes=boxes)


def _ones(sample: Sample) -> Pixels:
    return np.ones(sample.frame.shape, np.float32)


def _amplified(sample: Sample, decibels: Pixels) -> Sample:
    """The sample with echoes that are stronger by ``decibels`` ``(H, W)``."""
    echoes = np.expm1(sample.frame.pixels * np.float32(NEPERS_PER_GREY)) * np.exp(decibels * np.float32(NEPERS_PER_DB))
    return _shown(sample, np.log1p(echoes) / np.float32(NEPERS_PER_GREY))


def _shown(sample: Sample, grey: NDArray[np.float32]) -> Sample:
    pixels = np.asarray(np.rint(grey.clip(0, 255)), np.uint8)
    return replace(sample, frame=replace(sample.frame, pixels=pixels))


CORRUPTIONS = {
    "speckle": Corruption("standard deviation, dB", (1, 2, 3.5, 5, 7), _speckle),
    "low gain": Corruption("gain, dB", (-3, -6, -10, -14, -18), _gain),
    "clipping": Corruption("gain, dB", (3, 6, 10, 15, 20), _gain),
    "blur": Corruption("sigma, % of the diagonal", (0.1, 0.2, 0.3, 0.45, 0.65), _blur),
    "shadow": Corruption("loss in the shadow, dB", (3, 6, 12, 20, 35), _shadow),
    "attenuation": Corruption("loss at the lower edge, dB", (4, 8, 14, 22, 32), _attenuation),
    "JPEG": Corruption("quality, 1 to 100", (50, 30, 20, 10, 6), _jpeg),
    "rotation": Corruption("angle, degrees", (3, 7, 12, 20, 30), _rotation),
}
"""All corruptions by name, in the order they are shown."""
