"""What of a frame is compared: its scan area, small, without the brightness that gain and depth give it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...frame import Area
from ..screen import scan_area

LONGEST = 128  # pixels of a plane's longer side: fine enough for the layers of tissue, too coarse for most noise
SHORTEST = 16
FINE, COARSE, AROUND = 0.8, 6.0, 10.0  # pixels: what is finer or coarser is not looked at; where contrast is taken
FAINT = 3.0  # grey levels of contrast; below it is noise, which must not be amplified
LEVELS = 30.0  # steps of int8 per unit: four units of contrast is as far as any structure goes


@dataclass(frozen=True)
class Plane:
    """A frame's structures: int8 ``values`` of ``area``, whose pixels are scaled by ``scale`` (row, column)."""

    values: NDArray[np.int8]
    area: Area
    scale: tuple[float, float]

    def structures(self) -> NDArray[np.float32]:
        """The values as float32 ``(h, w)``."""
        return self.values.astype(np.float32)


def plane_of(pixels: NDArray[np.uint8]) -> Plane:
    """Reduce a frame ``(H, W)`` to its structures: a band of sizes, each place divided by the contrast around it."""
    area = scan_area(pixels)
    height, width = area.shape
    factor = LONGEST / max(height, width)
    size = (max(SHORTEST, round(width * factor)), max(SHORTEST, round(height * factor)))
    small = cv2.resize(pixels[area.slices], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    band = cv2.GaussianBlur(small, (0, 0), FINE) - cv2.GaussianBlur(small, (0, 0), COARSE)
    contrast = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), AROUND))
    values = np.clip(np.rint(LEVELS * band / (contrast + FAINT)), -127, 127).astype(np.int8)
    return Plane(values, area, (size[1] / height, size[0] / width))
