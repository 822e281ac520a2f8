"""What the network sees: one definition of scaling and normalisation, for training and for run time.

A frame, or the scan area in it, is scaled by one factor for both axes until it fits the network's canvas, centred, and
the rest of the canvas is black. Scaling is two matrix products, ``rows @ pixels @ columns.T``, with triangle weights
that widen when shrinking (antialiasing), because engines disagree about ``Resize``. ``sononerve.train.graph`` writes
the same sums into the bundle.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..frame import Area
from .screen import scan_area, whole

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]

STD_FLOOR = 1e-3  # grey levels; a blank frame must not become infinite
EDGE = np.float32(1e-3)  # pixels; a centre on the very edge is inside, whatever the rounding


class Preprocess(BaseModel):
    """Scale frames to a canvas of ``height`` x ``width`` pixels and normalise them.

    ``region``: ``"frame"`` shows the network the whole frame, ``"scan"`` the `scan_area` in it, without the black
    around it. ``close_up``: where over 0, what is seen is instead the surroundings of the nerve, so many times its box:
    for training what a second look sees. ``normalisation``: ``"frame"`` takes the canvas's own mean and standard
    deviation, ``"fixed"`` the given ``mean`` and ``std`` (grey levels 0..255).

    >>> Preprocess(height=64, width=96).frame(np.zeros((512, 534), np.uint8)).shape
    (64, 96)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    region: Literal["frame", "scan"] = "frame"
    close_up: float = Field(default=0.0, ge=0)
    normalisation: Literal["frame", "fixed"] = "frame"
    mean: float = 0.0
    std: float = Field(default=255.0, gt=0)

    def scale(self, shape: tuple[int, int]) -> float:
        """Canvas pixels per pixel of a frame of ``shape`` (H, W)."""
        return min(self.height / shape[0], self.width / shape[1])

    def weights(self, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
        """The matrices ``(height, H)`` and ``(width, W)`` that scale a frame of ``shape`` onto the canvas."""
        scale = self.scale(shape)
        return scaling_weights(shape[0], self.height, scale), scaling_weights(shape[1], self.width, scale)

    def area(self, pixels: ByteArray, labels: ByteArray | None = None) -> Area:
        """What of a frame ``(H, W)`` the network sees; ``labels`` tell where the nerve is, for a close-up.

        The scan is looked for in the close-up, as at run time, where the close-up is all that the graph is given.
        """
        seen = whole(pixels.shape)
        if self.close_up > 0 and labels is not None and (labels == 1).any():
            rows, columns = ((labels == 1).any(axis).nonzero()[0] for axis in (1, 0))
            box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
            seen = Area.close_up(box, pixels.shape, self.close_up)
        if self.region == "frame":
            return seen
        scan = scan_area(pixels[seen.slices])
        return Area(seen.top + scan.top, seen.top + scan.bottom, seen.left + scan.left, seen.left + scan.right)

    def frame(self, pixels: ByteArray, area: Area | None = None) -> ByteArray:
        """Scale ``(H, W)`` uint8 to the canvas ``(height, width)``, rounded to uint8.

        ``area``: what of the frame is seen; found by `Preprocess.area` where left out.
        """
        area = self.area(pixels) if area is None else area
        rows, columns = self.weights(area.shape)
        return np.asarray(np.rint(rows @ pixels[area.slices].astype(np.float32) @ columns.T), np.uint8)

    def mask(self, labels: ByteArray, classes: int, area: Area | None = None) -> ByteArray:
        """Scale a label map ``(H, W)``: each canvas pixel takes the label that covers most of it (0 outside).

        ``area``: what of the frame is seen, from `Preprocess.area`; all of it where left out.
        """
        labels = labels if area is None else labels[area.slices]
        rows, columns = self.weights(labels.shape)
        best = np.full((self.height, self.width), 0.5, np.float32)
        scaled = np.zeros((self.height, self.width), np.uint8)
        if classes > 1:
            best = rows @ (labels == 0).astype(np.float32) @ columns.T
            best[(rows.sum(1) == 0), :] = 1
            best[:, columns.sum(1) == 0] = 1
        for label in range(1, classes + 1):
            share = rows @ (labels == label).astype(np.float32) @ columns.T
            scaled[share > best] = label
            best = np.maximum(best, share)
        return scaled

    def boxes(self, boxes: NDArray[np.float32], area: Area) -> NDArray[np.float32]:
        """Move boxes ``(n, 4)`` xyxy in pixels of a frame of which ``area`` is seen to pixels of the canvas."""
        scale = self.scale(area.shape)
        top = (self.height - area.shape[0] * scale) / 2 - area.top * scale
        left = (self.width - area.shape[1] * scale) / 2 - area.left * scale
        return np.asarray(boxes * scale + np.array([left, top, left, top]), np.float32)

    def normalise(self, canvas: ByteArray | FloatArray) -> FloatArray:
        """Turn grey levels 0..255 into the network's input, float32 of the same shape."""
        values = canvas.astype(np.float32)
        if self.normalisation == "fixed":
            return (values - np.float32(self.mean)) / np.float32(self.std)
        return np.asarray((values - values.mean()) / np.maximum(values.std(), np.float32(STD_FLOOR)), np.float32)

    def restore(self, canvas: FloatArray, shape: tuple[int, int], area: Area | None = None) -> FloatArray:
        """Scale maps ``(..., height, width)`` back to ``(..., H, W)``, the way back from the canvas.

        They are 0 outside of ``area``, what of the frame was seen; all of it where left out.
        """
        area = whole(shape) if area is None else area
        scale = self.scale(area.shape)
        rows = restoring_weights(self.height, area.shape[0], scale)
        columns = restoring_weights(self.width, area.shape[1], scale)
        maps = np.zeros((*canvas.shape[:-2], *shape), np.float32)
        maps[(..., *area.slices)] = rows @ canvas @ columns.T
        return maps


def scaling_weights(source: int, target: int, scale: float) -> FloatArray:
    """Triangle weights ``(target, source)`` that scale ``source`` pixels by ``scale`` into the middle of ``target``.

    Rows whose centre falls outside of the source are zero: black padding. In float32, as the bundle's graph does it.
    """
    factor, half = np.float32(scale), np.float32(0.5)
    offset = (np.float32(target) - np.float32(source) * factor) * half
    centres = (np.arange(target, dtype=np.float32) + half - offset) / factor - half
    weights = _triangle(centres, source, max(np.float32(1), np.float32(1) / factor))
    weights[(centres < -half - EDGE) | (centres > np.float32(source) - half + EDGE)] = 0
    return weights


def restoring_weights(source: int, target: int, scale: float) -> FloatArray:
    """Triangle weights ``(target, source)`` for the way back from ``source`` canvas pixels to ``target``."""
    factor, half = np.float32(scale), np.float32(0.5)
    offset = (np.float32(source) - np.float32(target) * factor) * half
    centres = (np.arange(target, dtype=np.float32) + half) * factor + offset - half
    return _triangle(centres, source, max(np.float32(1), factor))


def _triangle(centres: FloatArray, source: int, support: np.float32) -> FloatArray:
    places = np.arange(source, dtype=np.float32)[None, :]
    distance = np.abs(places - np.clip(centres, 0, np.float32(source - 1))[:, None])
    weights = np.maximum(np.float32(0), np.float32(1) - distance / support)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)
