"""Random brightness: what probe, gain knob, depth, shadow and file format do to the same tissue.

Frames are float32 ``(H, W)``, grey levels 0..255; results may leave that range and are clipped once, at the end.
"""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .operation import Operation, Params, Probability

Pixels = NDArray[np.float32]


class Intensity(Operation):
    """An operation on grey levels alone: masks and boxes stay as they are."""

    @abstractmethod
    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        """Return the changed frame, float32 ``(H, W)``."""


class Gamma(Intensity):
    """Another log compression: grey levels to the power of ``1/largest`` to ``largest``."""

    p: Probability = 0.4
    largest: float = Field(default=1.6, ge=1)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"gamma": float(self.largest ** rng.uniform(-1, 1))}

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        return np.power(np.maximum(pixels, 0) / 255, np.float32(params["gamma"])) * np.float32(255)


class Gain(Intensity):
    """Gain knob and time-gain sliders: a factor, and a smooth one per depth, ``1/largest`` to ``largest``."""

    p: Probability = 0.5
    largest: float = Field(default=1.5, ge=1)
    sliders: int = Field(default=5, ge=2, le=16)

    def draw(self, rng: np.random.Generator) -> Params:
        overall = float(self.largest ** rng.uniform(-1, 1))
        slides = self.largest ** rng.uniform(-0.5, 0.5, self.sliders)
        return {"overall": overall} | {f"slider_{i}": float(value) for i, value in enumerate(slides)}

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        sliders = [value for name, value in params.items() if name.startswith("slider_")]
        depth = np.linspace(0, len(sliders) - 1, pixels.shape[0])
        curve = np.interp(depth, np.arange(len(sliders)), sliders) * params["overall"]
        return pixels * curve.astype(np.float32)[:, None]


class Attenuation(Intensity):
    """Deep tissue darker by up to ``darkest`` at the lower edge: a high frequency, a thick arm."""

    p: Probability = 0.2
    darkest: float = Field(default=0.7, ge=0, le=1)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"loss": float(rng.uniform(0, self.darkest))}

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        depth = np.linspace(0, 1, pixels.shape[0], dtype=np.float32)
        return pixels * (1 - np.float32(params["loss"]) * depth)[:, None]


class Shadow(Intensity):
    """A dark, soft-edged band below some depth: bone, air, or lost contact."""

    p: Probability = 0.2
    darkest: float = Field(default=0.8, ge=0, le=1)
    widest: float = Field(default=0.3, gt=0, le=1)

    def draw(self, rng: np.random.Generator) -> Params:
        return {
            "centre": float(rng.uniform(0, 1)),
            "width": float(rng.uniform(0.05, self.widest)),
            "top": float(rng.uniform(0, 0.6)),
            "loss": float(rng.uniform(0.2, 1) * self.darkest),
        }

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        x = np.linspace(0, 1, pixels.shape[1], dtype=np.float32)
        y = np.linspace(0, 1, pixels.shape[0], dtype=np.float32)
        across = np.exp(-(((x - params["centre"]) / (params["width"] / 2)) ** 4)).astype(np.float32)
        down = 1 / (1 + np.exp(-(y - params["top"]) * 30)).astype(np.float32)
        return pixels * (1 - np.float32(params["loss"]) * np.outer(down, across))


class Speckle(Intensity):
    """Grain: multiplicative noise of relative strength up to ``strongest``, as coarse as real speckle."""

    p: Probability = 0.3
    strongest: float = Field(default=0.25, ge=0, le=1)

    def draw(self, rng: np.random.Generator) -> Params:
        return {
            "strength": float(rng.uniform(0, self.strongest)),
            "grain": float(rng.uniform(0.3, 1.2)),
            "seed": float(rng.integers(2**31)),
        }

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        noise = np.empty(pixels.shape, np.float32)
        rng = np.random.default_rng(int(params["seed"]))
        rng.standard_normal(dtype=np.float32, out=noise)
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), params["grain"]), np.float32)
        return pixels * (1 + np.float32(params["strength"]) * noise / max(float(noise.std()), 1e-6))


class Blur(Intensity):
    """A softer picture: Gaussian blur of up to ``widest`` pixels of the canvas."""

    p: Probability = 0.15
    widest: float = Field(default=1.5, gt=0)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"sigma": float(rng.uniform(0.3, self.widest))}

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), params["sigma"]), np.float32)


class Jpeg(Intensity):
    """Saved as JPEG of quality ``worst`` to 95, as exports are."""

    p: Probability = 0.15
    worst: int = Field(default=30, ge=1, le=95)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"quality": float(rng.integers(self.worst, 96))}

    def apply(self, pixels: Pixels, params: Params) -> Pixels:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(params["quality"])]
        _, encoded = cv2.imencode(".jpg", pixels.clip(0, 255).astype(np.uint8), quality)
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.float32)
