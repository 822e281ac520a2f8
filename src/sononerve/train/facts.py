"""What a plan must know of the frames to fit: how large they and their nerves are, how many, how clearly seen."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..data.dataset import Dataset
from ..data.screen import scan_area

LOOKED_AT = 200  # frames that are decoded; of more, so many evenly spread ones
NARROW = 0.1  # of the nerves are narrower than what is told as narrow
RING = 0.25  # of a nerve's width: what is around it
FLAT = 4.0  # grey levels of standard deviation; a frame with less shows nothing


class Facts(BaseModel):
    """What the frames to fit are like; shapes are (height, width), medians, in pixels of the frames.

    ``scan_share``: median share of a frame that its scan area takes. ``empty``: share of frames without any class.
    ``nerve_px``: a tenth of the nerves is narrower than a disc of this diameter. ``contrast``: median difference of
    mean grey level between nerve and what is around it, in standard deviations of the frame. ``flat``: share of frames
    that show nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(ge=1)
    frame_shape: tuple[int, int]
    scan_shape: tuple[int, int]
    scan_share: float
    empty: float
    nerve_px: float | None
    contrast: float | None
    flat: float

    def shape(self, region: Literal["frame", "scan"]) -> tuple[int, int]:
        """The median shape of what the network sees of a frame."""
        return self.scan_shape if region == "scan" else self.frame_shape


def look_at(fitted: Dataset) -> Facts:
    """Gather the facts; decodes up to `LOOKED_AT` frames. Raises `InputError` naming a frame that cannot be read."""
    scans, shares, contrasts, deviations = [], [], [], []
    for i in np.unique(np.linspace(0, len(fitted) - 1, LOOKED_AT).astype(int)).tolist():
        sample = fitted[i]
        pixels, area = sample.frame.pixels, scan_area(sample.frame.pixels)
        scans.append(area.shape)
        shares.append(area.shape[0] * area.shape[1] / pixels.size)
        deviations.append(float(pixels[area.slices].std()))
        if sample.labels is not None and fitted.present[i] and deviations[-1] > FLAT:
            contrasts.append(_contrast(pixels, sample.labels == 1) / deviations[-1])
    nerves = fitted.areas[fitted.present, 0] * fitted.sizes[fitted.present].prod(1)
    return Facts(
        frames=len(fitted),
        frame_shape=_median_shape(fitted.sizes),
        scan_shape=_median_shape(np.array(scans)),
        scan_share=float(np.median(shares)),
        empty=float((~(fitted.areas > 0).any(1)).mean()),
        nerve_px=float(np.quantile(np.sqrt(4 * nerves / np.pi), NARROW)) if len(nerves) else None,
        contrast=float(np.median(contrasts)) if contrasts else None,
        flat=float(np.mean(np.array(deviations) <= FLAT)),
    )


def _median_shape(shapes: NDArray[np.int64]) -> tuple[int, int]:
    height, width = np.median(shapes, axis=0)
    return int(height), int(width)


def _contrast(pixels: NDArray[np.uint8], nerve: NDArray[np.bool_]) -> float:
    """How far the mean grey levels of a nerve and of the ring around it are apart."""
    width = max(3, round(RING * np.sqrt(4 * np.count_nonzero(nerve) / np.pi)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    ring = cv2.dilate(nerve.view(np.uint8), kernel).view(np.bool_) & ~nerve
    return abs(float(pixels[nerve].mean()) - float(pixels[ring].mean())) if ring.any() else 0.0
