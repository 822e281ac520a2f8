"""What a plan must know of the frames to fit: how large they and their nerves are, how many, how clearly seen."""

from __future__ import annotations

from collections.abc import Sequence
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

    Frames of other sizes count as if they were scaled to the median one. ``scan_share``: median share of a frame that
    its scan area takes. ``empty``: share of frames without any class. ``nerve_px``: a tenth of the nerves is narrower
    than a disc of this diameter. ``contrast``: median difference of mean grey level between nerve and what is around
    it, in standard deviations of the frame. ``flat``: share of frames that show nothing. ``tune_frames`` and
    ``tune_groups``: how many frames, and subjects or whatever the split keeps together, watch the training.
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
    tune_frames: int = Field(ge=0)
    tune_groups: int = Field(ge=0)

    def shape(self, region: Literal["frame", "scan"]) -> tuple[int, int]:
        """The median shape of what the network sees of a frame."""
        return self.scan_shape if region == "scan" else self.frame_shape


def look_at(fitted: Dataset, tune_groups: Sequence[str]) -> Facts:
    """Gather the facts; decodes up to `LOOKED_AT` frames. Raises `InputError` naming a frame that cannot be read.

    ``tune_groups``: the group of each frame of the tune part.
    """
    scans, shares, contrasts, deviations = [], [], [], []
    for i in np.unique(np.linspace(0, len(fitted) - 1, LOOKED_AT).astype(int)).tolist():
        sample = fitted[i]
        pixels, area = sample.frame.pixels, scan_area(sample.frame.pixels)
        scans.append(area.shape)
        shares.append(area.shape[0] * area.shape[1] / pixels.size)
        deviations.append(float(pixels[area.slices].std()))
        if sample.labels is not None and fitted.present[i] and deviations[-1] > FLAT:
            contrasts.append(_contrast(pixels, sample.labels == 1) / deviations[-1])
    sizes = fitted.sizes[fitted.present]
    across = np.sqrt(4 / np.pi * fitted.areas[fitted.present, 0] * sizes.prod(1)) / sizes.max(1)
    longest = max(_median_shape(fitted.sizes))
    return Facts(
        frames=len(fitted),
        frame_shape=_median_shape(fitted.sizes),
        scan_shape=_median_shape(np.array(scans)),
        scan_share=float(np.median(shares)),
        empty=float((~(fitted.areas > 0).any(1)).mean()),
        nerve_px=longest * float(np.quantile(across, NARROW)) if len(across) else None,
        contrast=float(np.median(contrasts)) if contrasts else None,
        flat=float(np.mean(np.array(deviations) <= FLAT)),
        tune_frames=len(tune_groups),
        tune_groups=len(set(tune_groups)),
    )


def _median_shape(shapes: NDArray[np.int64]) -> tuple[int, int]:
    height, width = np.median(shapes, axis=0)
    return int(height), int(width)


def _contrast(pixels: NDArray[np.uint8], nerve: NDArray[np.bool_]) -> float:
    """How far the mean grey levels of a nerve and of the ring around it are apart."""
    width = max(3, round(RING * np.sqrt(4 * np.count_nonzero(nerve) / np.pi)))
    ring = (cv2.distanceTransform((~nerve).view(np.uint8), cv2.DIST_L2, 3) <= width) & ~nerve
    return abs(float(pixels[nerve].mean()) - float(pixels[ring].mean())) if ring.any() else 0.0
