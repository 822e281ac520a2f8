"""From the values that programs store in masks to labels: 0 background, then one per class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

ByteArray = NDArray[np.uint8]

ASSUMED_NAMES = ("nerve", "vessel")
MOST_CLASSES = 16
YES = 255


def resolve_classes(values: Mapping[str, frozenset[int]], classes: tuple[str, ...] | None) -> tuple[str, ...]:
    """Name the classes of a data set from the label values of each mask file, given by the file's name.

    Allowed are 0..n, or 0 and 255 for a single class. Where ``classes`` is None, n is the largest value met, label 1 is
    "nerve", 2 "vessel", others "class 3" and so on. Raises `InputError` naming the first mask with another value.
    """
    small = max((v for found in values.values() for v in found if v != YES), default=0)
    count = len(classes) if classes is not None else max(1, min(small, MOST_CLASSES))
    for file, found in values.items():
        unknown = sorted(v for v in found if v > count and not (v == YES and count == 1))
        if unknown:
            expected = "0, 1 (or 255)" if count == 1 else f"0 to {count}"
            raise InputError(
                f"{file}: unknown label value {unknown[0]}; expected {expected}: {_remedy(found, classes)}"
            )
    if classes is not None:
        return classes
    return tuple(ASSUMED_NAMES[i] if i < len(ASSUMED_NAMES) else f"class {i + 1}" for i in range(count))


def assumed(values: Mapping[str, frozenset[int]], classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Those of ``classes`` that the masks can hold: the first alone where they say only yes and no, 255 and 0."""
    yes_or_no = set().union(*values.values()) == {0, YES}
    return classes[:1] if classes is not None and yes_or_no else classes


def _remedy(found: frozenset[int], classes: tuple[str, ...] | None) -> str:
    if len(found) > MOST_CLASSES:
        return (
            f"it holds {len(found)} values, as masks do that were smoothed or scaled; export it again as it was drawn"
        )
    if classes is not None:
        return "correct the mask, or name more classes with --classes"
    if max(found) > MOST_CLASSES:
        return "number the classes of the masks 1, 2, ..."
    return "name the classes with --classes, in the order of their values, or correct the mask"


def to_labels(values: ByteArray, classes: int) -> ByteArray:
    """Turn stored values ``(H, W)`` into labels 0..classes: with one class 255 is 1, otherwise they are the same."""
    return np.where(values == YES, np.uint8(1), values) if classes == 1 else values
