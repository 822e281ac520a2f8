"""Masks drawn as shapes with the names of classes, one over the other, as annotation tools keep them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...frame import Sample
from ...io.polygon import fill
from ..labels import ASSUMED_NAMES
from .record import Box, Record

MOST_SHAPES = 2_000  # of a frame, and outlines of a shape: each costs a look at every pixel
MOST_CLASSES = 254  # 255 means yes

Mask = NDArray[np.bool_]


class Shape(Protocol):
    """Something drawn on a frame."""

    def mask(self, size: tuple[int, int]) -> Mask:
        """Its pixels in a frame of ``size`` (H, W); raise `InputError` where that cannot be told."""


@dataclass(frozen=True)
class Polygons:
    """Outlines that belong together, each x, y, x, y, ... in pixels: what any of them covers."""

    outlines: tuple[tuple[float, ...], ...]

    def mask(self, size: tuple[int, int]) -> Mask:
        """Filled as pycocotools does."""
        if len(self.outlines) > MOST_SHAPES:
            raise InputError(f"a polygon of {len(self.outlines)} parts; expected at most {MOST_SHAPES}")
        covered = np.zeros(size, np.bool_)
        for outline in self.outlines:
            if len(outline) % 2:
                raise InputError(f"a polygon of {len(outline)} numbers; expected x and y of each point")
            covered |= fill(np.array(outline, np.float64).reshape(-1, 2), size)
        return covered


@dataclass(frozen=True)
class Rectangle:
    """An upright box: x, y, width, height in pixels."""

    box: Box

    def mask(self, size: tuple[int, int]) -> Mask:
        """Filled by the rule by which masks are known to be nothing but boxes."""
        return box_mask(self.box, size)


def box_mask(box: Sequence[float] | NDArray[np.float32], shape: tuple[int, int]) -> Mask:
    """The pixels of a box x, y, width, height, rounded, on a frame of ``shape`` (H, W), cut at its borders."""
    x, y, width, height = (round(float(v)) for v in box)
    mask = np.zeros(shape, np.bool_)
    mask[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)] = True
    return mask


@dataclass(frozen=True)
class Drawn:
    """The shapes of a frame in the order in which they were drawn: where they overlap, the later counts.

    ``shapes``: the name of a class and a shape. ``size``: of the frame they were drawn on (H, W), None where not told.
    ``classes``: the names of labels 1, 2, ...; `named` sets them.
    """

    file: Path
    shapes: tuple[tuple[str, Shape], ...]
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()

    def values(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Draw them, as label values uint8 ``(H, W)``."""
        labels = np.zeros(size, np.uint8)
        for label, mask in self._masks(size):
            labels[mask] = label
        return labels

    def overlap(self, size: tuple[int, int]) -> bool:
        """Whether shapes of two classes share a pixel."""
        labels = np.zeros(size, np.uint8)
        for label, mask in self._masks(size):
            if ((labels[mask] != 0) & (labels[mask] != label)).any():
                return True
            labels[mask] = label
        return False

    def _masks(self, size: tuple[int, int]) -> Iterable[tuple[int, Mask]]:
        if self.size is not None and self.size != size:
            raise InputError(
                f"was drawn on {self.size[1]} x {self.size[0]} pixels, the frame has {size[1]} x {size[0]}; "
                "export both in one size"
            )
        if len(self.shapes) > MOST_SHAPES:
            raise InputError(f"{len(self.shapes)} shapes on one frame; expected at most {MOST_SHAPES}")
        for name, shape in self.shapes:
            yield self.classes.index(name) + 1, shape.mask(size)


def class_names(records: Sequence[Record], assumed: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The classes that a data set's files tell, or else those of the shapes drawn; None where neither tells any.

    Names that are only met on shapes are those ``assumed`` where these hold all of them; otherwise "nerve" and "vessel"
    come first, the others by the alphabet.
    """
    declared = records[0].classes if records else None
    if declared is not None:
        return declared
    met = {name for record in records if isinstance(record.mask, Drawn) for name, _ in record.mask.shapes}
    if not met:
        return None
    if assumed is not None and met <= set(assumed):
        return assumed
    return tuple(sorted(met, key=lambda name: (name not in ASSUMED_NAMES, name)))


def named(records: Iterable[Record], classes: tuple[str, ...] | None) -> list[Record]:
    """The records with ``classes`` for the names of their shapes; raise `InputError` for a name that is not in them."""
    known, done = classes or (), []
    if len(known) > MOST_CLASSES:
        raise InputError(f"{len(known)} classes; expected at most {MOST_CLASSES}")
    for record in records:
        mask = record.mask
        if not isinstance(mask, Drawn):
            done.append(record)
            continue
        unknown = next((name for name, _ in mask.shapes if name not in known), None)
        if unknown is not None:
            raise InputError(
                f"{mask.file}, {record.name}: a shape of the class {unknown!r}; known are {', '.join(known)}: name all "
                "with --classes"
            )
        done.append(replace(record, mask=replace(mask, classes=known)))
    return done


def boxes_of(shapes: Sequence[tuple[str, Shape]], first: str | None) -> tuple[Box, ...]:
    """The rectangles among shapes that are of the class ``first``, the nerve."""
    return tuple(shape.box for name, shape in shapes if isinstance(shape, Rectangle) and name == first)


def masks_of(sample: Sample, classes: Sequence[str]) -> Iterator[tuple[int, str, Mask]]:
    """Label value, name and mask ``(H, W)`` of each class that a sample has any pixel of."""
    if sample.labels is None:
        return
    for label, name in enumerate(classes, start=1):
        mask = sample.labels == label
        if mask.any():
            yield label, name, mask
