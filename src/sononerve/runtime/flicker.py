"""How unsteady masks are from frame to frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRESENT = 0.5


class Flicker:
    """Adds up how masks and presence change from one frame to the next, frame by frame, in constant memory.

    A nerve that moves changes the mask too: compare numbers of one clip only.
    """

    def __init__(self) -> None:
        self._labels: NDArray[np.uint8] | None = None
        self._present = False
        self._changes, self._pairs, self._switches = 0.0, 0, 0

    def add(self, labels: NDArray[np.uint8], presence: float) -> None:
        """Take the next frame: its labels ``(H, W)`` and its presence, 0..1."""
        present = presence >= PRESENT
        if self._labels is not None:
            marked = np.count_nonzero(labels) + np.count_nonzero(self._labels)
            if marked:
                same = np.count_nonzero((labels == self._labels) & (labels > 0))
                self._changes += 1 - 2 * same / marked
                self._pairs += 1
            self._switches += present != self._present
        self._labels, self._present = labels, present

    @property
    def mask(self) -> float | None:
        """1 minus the mean Dice of neighbours of which one marks anything, 0..1: 0 is still; None without such."""
        return self._changes / self._pairs if self._pairs else None

    @property
    def switches(self) -> int:
        """How often presence went past a half, up or down."""
        return self._switches
