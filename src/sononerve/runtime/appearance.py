"""How unlike the frames of its training a frame looks to a model: a warning before an answer is believed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

LONGEST = 256  # pixels of the longer side that is looked at
DARK = 8  # grey level up to which there is no echo
FEWEST_LIT = 16  # pixels; of fewer no brightness is told
OCTAVES = 4
LOOKS = 4 + 2 * OCTAVES + 3


def look_of(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What a frame ``(H, W)`` looks like, ``(LOOKS,)``.

    How much is dark and how bright the rest; how rough it is across, and how much more so down, at four scales; and
    how brightness goes with depth, and from side to side.
    """
    share = LONGEST / max(pixels.shape)
    size = [max(2**OCTAVES, round(side * share)) for side in pixels.shape[::-1]]
    seen = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    levels = np.bincount(seen.ravel(), minlength=256)
    lit = levels * (np.arange(256) > DARK)
    brightness = np.cumsum(lit if lit.sum() >= FEWEST_LIT else levels)
    found = [levels[: DARK + 1].sum() / seen.size]
    found += [int(np.searchsorted(brightness, part * brightness[-1])) / 255 for part in (0.1, 0.5, 0.9)]
    for _ in range(OCTAVES):
        across, down = (cv2.absdiff(a, b).mean() for a, b in ((seen[:, 1:], seen[:, :-1]), (seen[1:], seen[:-1])))
        found += [np.log(across + 0.1), np.log((down + 0.1) / (across + 0.1))]
        height, width = seen.shape
        seen = np.asarray(cv2.resize(seen, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
    rows, columns = (seen.mean(axis) for axis in (1, 0))
    depth = np.arange(len(rows)) - (len(rows) - 1) / 2
    spread = rows.std() * depth.std()
    found.append((rows * depth).mean() / spread if spread > 0 else 0.0)
    found += [np.log(rows.std() + 1), np.log(columns.std() + 1)]
    return np.array(found, np.float64)


class Appearance(BaseModel):
    """What the frames of a training look like: their mean `look_of`, and the inverse of its covariance.

    ``limit``: the Mahalanobis distance from which a frame is strange.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...] = Field(min_length=LOOKS, max_length=LOOKS)
    inverse: tuple[tuple[float, ...], ...] = Field(min_length=LOOKS, max_length=LOOKS)
    limit: float = Field(gt=0)

    @model_validator(mode="after")
    def _is_square(self) -> Appearance:
        if any(len(row) != LOOKS for row in self.inverse):
            raise ValueError(f"inverse: expected {LOOKS} rows of {LOOKS} numbers")
        return self

    def strangeness(self, pixels: NDArray[np.uint8]) -> float:
        """How far a frame ``(H, W)`` is from those of the training, by the limit: above 1 it is unlike them."""
        return float(distances(look_of(pixels)[None], np.array(self.mean), np.array(self.inverse))[0] / self.limit)


def distances(
    looks: NDArray[np.float64], mean: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mahalanobis distances ``(n,)`` of ``looks`` ``(n, LOOKS)``."""
    off = looks - mean
    return np.asarray(np.sqrt(np.maximum(((off @ inverse) * off).sum(1), 0)))
