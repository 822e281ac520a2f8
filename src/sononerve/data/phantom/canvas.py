"""Shapes become planes: the echo of each pixel, what reflects in it, what it takes of the sound, and the mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .motion import View
from .shapes import Group, Points, Region, Strands

Plane = NDArray[np.float32]
SUBPIXEL = 4  # bits after the point in the coordinates that OpenCV draws with
FINE = 4  # samples a pixel and side when a mask is drawn: a pixel is inside where its middle is
MIRROR_DEG = 20.0
"""A strand across the beam reflects like a mirror; at this angle its echo is down to about a third."""
ROUGH = 0.035
"""What is left of a strand's echo at any angle."""
TILT_DEG = 14.0
"""With so much tilt, strands are down to about a third too."""
FAINT = 0.01
"""Fainter strands are lost in the echo of what they lie in."""


class Canvas:
    """A frame being drawn.

    ``tissue`` uint16 ``(H, W)``: which of the ``regions`` each pixel lies in. ``shine`` uint8: the root of the
    reflectors' brightness. ``labels`` uint8: the mask.
    """

    def __init__(self, view: View) -> None:
        self.view, shape = view, (view.rows, view.columns)
        self.regions: list[Region] = []
        self.tissue = np.zeros(shape, np.uint16)
        self.shine, self.labels = np.zeros((2, *shape), np.uint8)

    def paint(self, group: Group) -> None:
        """Draw a group's regions, then its strands."""
        for region in group.regions:
            self._fill(region)
        if len(group.strands):
            self._draw(group.strands)

    def _fill(self, region: Region) -> None:
        if not self.view.shows(region.outline[:, 0]):
            return
        outline = self.view.pixels(region.outline)
        if outside(outline, self.tissue.shape):
            return
        self.regions.append(region)
        corners = [np.rint(outline * 2**SUBPIXEL).astype(np.int32)]
        cv2.fillPoly(self.tissue, corners, len(self.regions) - 1, shift=SUBPIXEL)
        if region.covers:
            cv2.fillPoly(self.shine, corners, 0, shift=SUBPIXEL)
        if region.label:
            stamp(self.labels, outline, region.label)

    def _draw(self, strands: Strands) -> None:
        view = self.view
        near = np.exp(-(((view.pose.along - strands.place) / strands.reach) ** 2))
        shine = strands.shine * near * np.exp(-((view.pose.tilt_deg / TILT_DEG) ** 2))
        seen = np.flatnonzero(shine > FAINT)
        seen = seen[view.shows(strands.ends[seen, :, 0])]
        ends = view.pixels(strands.ends[seen])
        run = ends[:, 1] - ends[:, 0]
        angle = np.rad2deg(np.arctan2(np.abs(run[:, 1]), np.abs(run[:, 0])))
        shine = shine[seen] * mirrored(angle)
        wide = strands.thick[seen] / view.spacing
        shine *= np.minimum(wide, 1)
        order = np.argsort(shine)  # bright ones last, on top
        order = order[shine[order] > FAINT]
        grey, thick = np.rint(255 * np.sqrt(shine)).astype(int), np.maximum(np.rint(wide), 1).astype(int)
        corners = np.rint(ends * 2**SUBPIXEL).astype(np.int32)
        for (a, b), shade, width in zip(
            corners[order].tolist(), grey[order].tolist(), thick[order].tolist(), strict=True
        ):
            cv2.line(self.shine, a, b, shade, width, cv2.LINE_AA, SUBPIXEL)

    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Level of echo in dB, share of sound taken, and brightness of reflectors 0..1; each ``(H, W)``."""
        tilt = (self.view.pose.tilt_deg / 10) ** 2
        level = np.array([r.level - min(r.tilted * tilt, 2 * r.tilted) for r in self.regions], np.float32)
        loss = np.array([r.loss for r in self.regions], np.float32)
        bright = np.square(np.arange(256, dtype=np.float32) / 255)
        return level[self.tissue], loss[self.tissue], bright[self.shine]


def mirrored(angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of a strand's echo comes back when it lies ``angle_deg`` off a right angle to the beam."""
    return np.asarray(ROUGH + (1 - ROUGH) * np.exp(-((angle_deg / MIRROR_DEG) ** 2)))


def outside(outline: Points, shape: tuple[int, int]) -> bool:
    """Whether an outline ``(n, 2)`` in pixels lies wholly outside of a frame."""
    (left, top), (right, bottom) = outline.min(0), outline.max(0)
    return bool(right < -0.5 or bottom < -0.5 or left > shape[1] - 0.5 or top > shape[0] - 0.5)


def stamp(labels: NDArray[np.uint8], outline: Points, label: int) -> None:
    """Set the pixels of ``labels`` whose middles lie inside an outline ``(n, 2)`` in pixels."""
    top, left = (int(max(np.floor(v), 0)) for v in outline.min(0)[::-1])
    bottom, right = (int(min(np.ceil(v) + 1, n)) for v, n in zip(outline.max(0)[::-1], labels.shape, strict=True))
    if bottom <= top or right <= left:
        return
    fine = np.zeros(((bottom - top) * FINE, (right - left) * FINE), np.uint8)
    corners = (outline - (left, top) + 0.5) * FINE - 0.5
    cv2.fillPoly(fine, [np.rint(corners * 2**SUBPIXEL).astype(np.int32)], 1, shift=SUBPIXEL)
    middle = FINE // 2
    part = fine[middle::FINE, middle::FINE] & fine[middle - 1 :: FINE, middle - 1 :: FINE]
    labels[top:bottom, left:right][part > 0] = label
