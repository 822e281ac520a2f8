"""Masks that are not an image of their own: filled boxes, and one frame of a file of masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...io.frames import read_labels
from .record import Box


@dataclass(frozen=True)
class FilledBoxes:
    """The union of boxes that the table ``file`` holds: where people drew boxes and no outlines."""

    boxes: tuple[Box, ...]
    file: Path

    def values(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """1 in a box and 0 elsewhere, uint8 ``(H, W)``."""
        mask = np.zeros(size, np.uint8)
        for box in self.boxes:
            mask[pixels_of(box)] = 1
        return mask


@dataclass(frozen=True)
class MaskFrame:
    """Frame ``place`` of a file of several masks: a mask video, a NIfTI or DICOM file, a TIFF of several pages."""

    file: Path
    place: int

    def values(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The label values; raise `InputError` where they are of another size."""
        found = read_labels(self.file, self.place)
        if found.shape != size:
            raise InputError(
                f"the mask is {found.shape[1]} x {found.shape[0]}, its frame {size[1]} x {size[0]}; "
                "export both in one size"
            )
        return found


def pixels_of(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box x, y, width, height, rounded; a frame's borders cut it."""
    x, y, width, height = (round(float(v)) for v in box)
    return slice(max(0, y), max(0, y + height)), slice(max(0, x), max(0, x + width))
