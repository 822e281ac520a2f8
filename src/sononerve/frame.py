"""The nouns every part of sononerve speaks of: Frame, Area, Sample, Segmentation, Measurement. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Spacing = tuple[float, float]
"""Millimetres per pixel as (row, column)."""


@dataclass(frozen=True)
class Frame:
    """One B-mode image.

    ``pixels``: uint8 ``(H, W)``, grayscale. ``spacing_mm``: mm per pixel (row, column), None where unknown.
    ``time_s``: seconds since the start of its video, None for a still. ``source``: where it came from, for messages.
    """

    pixels: NDArray[np.uint8]
    spacing_mm: Spacing | None = None
    time_s: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.uint8:
            found = f"{self.pixels.dtype} {self.pixels.shape}"
            raise ValueError(f"{self.source or 'frame'}: pixels are {found}; expected uint8 (H, W)")
        if self.spacing_mm is not None and not all(np.isfinite(v) and v > 0 for v in self.spacing_mm):
            raise ValueError(
                f"{self.source or 'frame'}: spacing is {self.spacing_mm}; expected two positive numbers in mm"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape


class Area(NamedTuple):
    """A rectangle of a frame, in pixels; ``bottom`` and ``right`` are the first row and column behind it."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns, to cut it out of a frame."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @classmethod
    def above(cls, picture: NDArray[np.float32] | NDArray[np.uint8], floor: float, margin: int = 0) -> Area | None:
        """The rectangle around all of ``picture`` (H, W) that is above ``floor``, wider by ``margin``; None for none.

        >>> Area.above(np.eye(5, dtype=np.uint8)[:, 1:3], 0)
        Area(top=1, bottom=3, left=0, right=2)
        """
        rows, columns = (np.flatnonzero(picture.max(axis) > floor) for axis in (1, 0))
        if not len(rows):
            return None
        height, width = picture.shape
        return cls(
            max(0, int(rows[0]) - margin),
            min(height, int(rows[-1]) + 1 + margin),
            max(0, int(columns[0]) - margin),
            min(width, int(columns[-1]) + 1 + margin),
        )

    @classmethod
    def around(cls, areas: Sequence[Area]) -> Area:
        """The smallest that holds all of ``areas``, at least one."""
        tops, bottoms, lefts, rights = zip(*areas, strict=True)
        return cls(min(tops), max(bottoms), min(lefts), max(rights))

    @classmethod
    def close_up(cls, box: tuple[float, float, float, float], shape: tuple[int, int], margin: float) -> Area:
        """What a second look at a nerve sees of a frame of ``shape`` (H, W): ``box`` xyxy in pixels, ``margin`` times.

        It has the proportions of the frame, so that it fits the same canvas; it is moved into the frame, and cut at it.

        >>> Area.close_up((40, 40, 60, 50), shape=(100, 200), margin=2)
        Area(top=35, bottom=55, left=30, right=70)
        """
        left, top, right, bottom = box
        share = min(1.0, margin * max((bottom - top) / shape[0], (right - left) / shape[1]))
        height, width = (max(1, round(share * side)) for side in shape)
        first_row = round(min(max((top + bottom - height) / 2, 0), shape[0] - height))
        first_column = round(min(max((left + right - width) / 2, 0), shape[1] - width))
        return cls(first_row, first_row + height, first_column, first_column + width)


@dataclass(frozen=True)
class Sample:
    """A frame with what is known about it.

    ``labels``: label map uint8 ``(H, W)``, 0 is background; None where nobody drew one. ``boxes``: native boxes
    ``(n, 4)`` as x, y, width, height in pixels; None where the data set has none. ``subject``: the person; frames of
    one subject never stand on two sides of a split. ``video`` and ``index``: the clip and the place in it.
    ``annotator``: who drew the mask.
    """

    frame: Frame
    labels: NDArray[np.uint8] | None = None
    subject: str | None = None
    video: str | None = None
    index: int | None = None
    boxes: NDArray[np.float32] | None = None
    annotator: str | None = None

    def __post_init__(self) -> None:
        if self.labels is not None and self.labels.shape != self.frame.shape:
            raise ValueError(
                f"{self.frame.source}: the mask is {self.labels.shape}, the frame {self.frame.shape} (rows, columns); "
                "expected the same size"
            )


@dataclass(frozen=True)
class Measurement:
    """What is measured on one class of one segmentation.

    ``area_px`` in pixels, ``area_mm2`` only where the spacing is known; ``centroid`` (x, y) in pixels;
    ``box`` x, y, width, height in pixels: the hull of all pixels of the class. The last two are None for an empty
    class.
    """

    name: str
    area_px: int
    area_mm2: float | None
    centroid: tuple[float, float] | None
    box: tuple[int, int, int, int] | None

    @property
    def told(self) -> str:
        """In words: what was found, and how large it is."""
        if self.centroid is None:
            return f"no {self.name}"
        area = f"{self.area_px} px" if self.area_mm2 is None else f"{self.area_mm2:.1f} mm²"
        x, y = self.centroid
        return f"{self.name}: {area}, centre at column {x:.0f}, row {y:.0f}"


@dataclass(frozen=True)
class Segmentation:
    """The answer for one frame.

    ``labels``: uint8 ``(H, W)``. ``probabilities``: float32 ``(C, H, W)``, background left out. ``classes``: the C
    names. ``presence``: probability 0..1 that a nerve is in the frame. ``frame``: the frame it belongs to.
    ``uncertainty``: float32 ``(H, W)`` in 0..1, how far several answers disagree; None where one network looked once.
    ``box``: x, y, width, height in pixels, where the network says that the nerve is; None where it has no head for it.
    ``strangeness``: how unlike the frames of the training this one looks, above 1 where it is unlike them and the
    answer may be nonsense; None where the model does not know what they looked like. ``agreement``: float32 ``(C,)`` in
    0..1, the Dice of each class between looks at the frame, nan where they marked nothing; None where one network
    looked once, and where the frame was seen in tiles.
    """

    frame: Frame
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    presence: float
    uncertainty: NDArray[np.float32] | None = None
    box: tuple[float, float, float, float] | None = None
    strangeness: float | None = None
    agreement: NDArray[np.float32] | None = None
    measurements: tuple[Measurement, ...] = field(init=False)

    def __post_init__(self) -> None:
        measured = (measure(self.labels == i, name, self.frame.spacing_mm) for i, name in enumerate(self.classes, 1))
        object.__setattr__(self, "measurements", tuple(measured))

    def _repr_html_(self) -> str:
        """The frame with what was found outlined, and measured, for a notebook."""
        from .overlay import address, overlay

        picture = address(overlay(self.frame.pixels, self.labels))
        found = "".join(f"<li>{escape(one.told)}</li>" for one in self.measurements)
        return (
            f'<figure><img src="{picture}" alt="frame with outlines" style="max-width:40rem;width:100%">'
            f"<figcaption>presence {self.presence:.2f}<ul>{found}</ul></figcaption></figure>"
        )

    @property
    def is_strange(self) -> bool:
        """Whether the frame is known to be unlike those of the training."""
        return self.strangeness is not None and self.strangeness > 1

    def uncertainty_within(self, label: int) -> float | None:
        """The mean uncertainty where ``label`` was predicted; None where it was not, or no uncertainty is known."""
        inside = self.labels == label
        return None if self.uncertainty is None or not inside.any() else float(self.uncertainty[inside].mean())

    def expected_dice(self, label: int) -> float | None:
        """A guess of the Dice that what was predicted as ``label`` has; None where nothing was.

        Where several looks marked something, of an ensemble or a mirrored one, the Dice between them. Else that with
        the probabilities themselves, the soft Dice confidence of Borges et al. (arXiv:2402.10665): close to the mean
        Dice over all masks that they allow, so as good as they are. On frames unlike those of the training both may be
        far too high.
        """
        inside, likely = self.labels == label, self.probabilities[label - 1]
        area = int(np.count_nonzero(inside))
        if area == 0:
            return None
        if self.agreement is not None and not np.isnan(self.agreement[label - 1]):
            return float(self.agreement[label - 1])
        return float(2 * likely[inside].sum() / (area + likely.sum()))


def measure(mask: NDArray[np.bool_], name: str, spacing_mm: Spacing | None = None) -> Measurement:
    """Measure area, centroid and box of a mask ``(H, W)``.

    >>> measure(np.ones((2, 3), bool), "nerve", (0.5, 0.5)).area_mm2
    1.5
    """
    pixel_mm2 = None if spacing_mm is None else spacing_mm[0] * spacing_mm[1]
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return Measurement(name, 0, None if pixel_mm2 is None else 0.0, None, None)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    y, x = np.nonzero(mask[top:bottom, left:right])
    area_mm2 = None if pixel_mm2 is None else len(x) * pixel_mm2
    centroid = float(x.mean()) + left, float(y.mean()) + top
    return Measurement(name, len(x), area_mm2, centroid, (left, top, right - left, bottom - top))
