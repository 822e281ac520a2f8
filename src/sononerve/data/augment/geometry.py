"""Random geometry: every operation is a map from a pixel of the result to a place in the source.

The affine maps are multiplied, the elastic one added, and frame and mask are sampled once, so they blur once.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .operation import Operation, Params, Probability

Matrix = NDArray[np.float64]
Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])
BORDER_POINTS = 9  # per side of a box; the hull of their images is the new box
INVERSION_STEPS = 6  # fixed-point steps; the elastic field is smooth and small


class Affine(Operation):
    """An operation that is a 3 x 3 matrix in pixels around the canvas's centre."""

    @abstractmethod
    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        """Homogeneous ``(x, y, 1)`` of the result to ``(x, y, 1)`` of the source, both around the centre."""


class Flip(Affine):
    """Mirror left and right: the probe held the other way round."""

    p: Probability = 0.5

    def draw(self, rng: np.random.Generator) -> Params:
        return {}

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        return np.diag([-1.0, 1.0, 1.0])


class FlipVertical(Flip):
    """Mirror top and bottom: off by default, for skin is always at the top."""

    p: Probability = 0.0

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        return np.diag([1.0, -1.0, 1.0])


class Rotate(Affine):
    """Rotate by up to ``degrees`` either way."""

    p: Probability = 0.7
    degrees: float = Field(default=10.0, ge=0, le=180)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"degrees": float(rng.uniform(-self.degrees, self.degrees))}

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        angle = np.deg2rad(params["degrees"])
        cos, sin = np.cos(angle), np.sin(angle)
        return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


class Scale(Affine):
    """Zoom by a factor from ``smallest`` to ``largest``, and stretch one axis by up to ``stretch``."""

    p: Probability = 0.8
    smallest: float = Field(default=0.85, gt=0)
    largest: float = Field(default=1.18, gt=0)
    stretch: float = Field(default=0.15, ge=0, lt=1)

    def draw(self, rng: np.random.Generator) -> Params:
        zoom = float(np.exp(rng.uniform(np.log(self.smallest), np.log(self.largest))))
        return {"zoom": zoom, "stretch": float(np.exp(rng.uniform(-self.stretch, self.stretch)))}

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        zoom, root = params["zoom"], np.sqrt(params["stretch"])
        return np.diag([1.0 / (zoom * root), root / zoom, 1.0])


class Shear(Affine):
    """Shear sideways by up to ``degrees``, as a tilted probe does; off by default."""

    p: Probability = 0.0
    degrees: float = Field(default=10.0, ge=0, lt=60)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"degrees": float(rng.uniform(-self.degrees, self.degrees))}

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        return np.array([[1.0, np.tan(np.deg2rad(params["degrees"])), 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


class Shift(Affine):
    """Move by up to ``fraction`` of the canvas on each axis."""

    p: Probability = 0.7
    fraction: float = Field(default=0.12, ge=0, lt=1)

    def draw(self, rng: np.random.Generator) -> Params:
        x, y = rng.uniform(-self.fraction, self.fraction, 2)
        return {"x": float(x), "y": float(y)}

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        matrix = np.eye(3)
        matrix[:2, 2] = params["x"] * shape[1], params["y"] * shape[0]
        return matrix


class Crop(Affine):
    """Enlarge a window that keeps at least ``smallest`` of each axis: another depth setting; off by default."""

    p: Probability = 0.0
    smallest: float = Field(default=0.6, gt=0, le=1)

    def draw(self, rng: np.random.Generator) -> Params:
        size = float(rng.uniform(self.smallest, 1.0))
        x, y = rng.uniform(-0.5, 0.5, 2) * (1.0 - size)
        return {"size": size, "x": float(x), "y": float(y)}

    def matrix(self, params: Params, shape: tuple[int, int]) -> Matrix:
        matrix = np.diag([params["size"], params["size"], 1.0])
        matrix[:2, 2] = params["x"] * shape[1], params["y"] * shape[0]
        return matrix


class Elastic(Operation):
    """Bend by a smooth field of ``knots`` x ``knots`` random moves of about ``fraction`` of each axis.

    Off by default.
    """

    p: Probability = 0.0
    knots: int = Field(default=5, ge=3, le=32)
    fraction: float = Field(default=0.02, ge=0, le=0.1)

    def draw(self, rng: np.random.Generator) -> Params:
        return {"seed": float(rng.integers(2**31)), "fraction": float(rng.uniform(0, self.fraction))}

    def field(self, params: Params, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Displacement ``(H, W, 2)`` in pixels ``(x, y)``, smooth, zero on average."""
        rng = np.random.default_rng(int(params["seed"]))
        knots = rng.standard_normal((self.knots, self.knots, 2)).astype(np.float32)
        field = cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
        return np.asarray(
            field * np.float32(params["fraction"]) * np.array([shape[1], shape[0]], np.float32), np.float32
        )


class Warp:
    """One drawn geometry, ready to be applied to a frame, its mask and its boxes alike."""

    def __init__(self, matrix: Matrix, field: NDArray[np.float32] | None, shape: tuple[int, int]) -> None:
        centre = np.eye(3)
        centre[:2, 2] = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        self.matrix: Matrix = centre @ matrix @ np.linalg.inv(centre)
        self.field = field
        self.shape = shape

    def _sample(self, pixels: Pixels, interpolation: int) -> Pixels:
        height, width = self.shape
        if self.field is None:
            flags = interpolation | cv2.WARP_INVERSE_MAP
            return np.asarray(cv2.warpAffine(pixels, self.matrix[:2], (width, height), flags=flags), pixels.dtype)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        m = self.matrix.astype(np.float32)
        map_x = m[0, 0] * x + m[0, 1] * y + m[0, 2] + self.field[..., 0]
        map_y = m[1, 0] * x + m[1, 1] * y + m[1, 2] + self.field[..., 1]
        return np.asarray(cv2.remap(pixels, map_x, map_y, interpolation), pixels.dtype)

    def frame(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame ``(H, W)`` sampled bilinearly; black where nothing was."""
        return self._sample(pixels, cv2.INTER_LINEAR)

    def mask(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The label map ``(H, W)`` sampled at the nearest pixel; 0 where nothing was."""
        return self._sample(labels, cv2.INTER_NEAREST)

    def maps(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps ``(C, H, W)``, each sampled bilinearly; 0 where nothing was."""
        return np.stack([self._sample(plane, cv2.INTER_LINEAR) for plane in values])

    def boxes(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes ``(n, 4)`` xyxy in pixels: the hull of each moved border, cut at the canvas; empty ones are dropped."""
        height, width = self.shape
        moved = [_hull(self.points(_border(box))) for box in boxes]
        cut = np.array(moved, np.float32).reshape(-1, 4).clip(0, [width, height, width, height]).astype(np.float32)
        return cut[(cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])]

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points ``(n, 2)`` ``(x, y)`` of the source come to lie; pixel edges at whole numbers."""
        inverse = np.linalg.inv(self.matrix)
        source = points - 0.5
        moved = source
        for _ in range(INVERSION_STEPS if self.field is not None else 1):
            target = np.c_[source - self._displacement(moved), np.ones(len(source))]
            moved = (target @ inverse.T)[:, :2]
        return moved + 0.5

    def _displacement(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.field is None:
            return np.zeros_like(points)
        x, y = np.rint(points).astype(int).clip(0, [self.shape[1] - 1, self.shape[0] - 1]).T
        return np.asarray(self.field[y, x], np.float64)


def _border(box: NDArray[np.float32]) -> NDArray[np.float64]:
    along = np.linspace(0, 1, BORDER_POINTS)
    x0, y0, x1, y1 = (float(v) for v in box)
    x, y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
    top, bottom = np.c_[x, np.full_like(x, y0)], np.c_[x, np.full_like(x, y1)]
    left, right = np.c_[np.full_like(y, x0), y], np.c_[np.full_like(y, x1), y]
    return np.concatenate([top, bottom, left, right])


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points.min(0), points.max(0)])
