"""What would be marked at another threshold: Dice, precision and recall from 0.05 to 0.95, and the ROC of presence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .statistics import Interval, bootstrap_interval

MOST_CUTS = 500
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass(frozen=True)
class FrameCounts:
    """Pixels of one class on one frame at each of `THRESHOLDS`: ``marked``, and of these the ``right`` ones."""

    marked: tuple[int, ...]
    right: tuple[int, ...]


@dataclass(frozen=True)
class Operating:
    """A class at one ``threshold``: it is marked where its probability is at least that.

    ``dice``: mean over the frames that hold it, None where none does. ``precision``, ``recall``: over the pixels of all
    frames together; None where nothing is marked, or nothing is true. ``false_positives``: share of the frames without
    it on which anything is marked; None where all hold it.
    """

    threshold: float
    dice: Interval | None
    precision: float | None
    recall: float | None
    false_positives: float | None


@dataclass(frozen=True)
class Cut:
    """Frames whose presence is at least ``presence`` count as with a nerve: how many of those with and without do."""

    presence: float
    sensitivity: float
    false_positives: float


def count_at_thresholds(probability: NDArray[np.float32], truth: NDArray[np.bool_]) -> FrameCounts:
    """Count one class's pixels with ``probability`` ``(H, W)`` of at least each threshold, and those in ``truth``."""
    edges = np.asarray(THRESHOLDS, np.float32)
    reached = np.searchsorted(edges, probability.ravel(), side="right")  # how many thresholds each pixel reaches
    found = []
    for values in (reached, reached[truth.ravel()]):
        counts = np.bincount(values, minlength=len(edges) + 1)
        found.append(tuple(int(n) for n in counts[::-1].cumsum()[::-1][1:]))
    return FrameCounts(*found)


def operate(counts: Sequence[FrameCounts], areas: Sequence[int], groups: Sequence[str]) -> tuple[Operating, ...]:
    """A class at each threshold, from the counts of every frame and its true ``areas`` in pixels."""
    if not counts:
        return ()
    marked = np.array([frame.marked for frame in counts], np.float64)
    right = np.array([frame.right for frame in counts], np.float64)
    area = np.asarray(areas, np.float64)
    holds = area > 0
    bearing = [group for group, held in zip(groups, holds, strict=True) if held]
    found = []
    for place, threshold in enumerate(THRESHOLDS):
        shares = 2 * right[holds, place] / (marked[holds, place] + area[holds])
        found.append(
            Operating(
                threshold,
                bootstrap_interval(shares, bearing) if bearing else None,
                _share(right[:, place].sum(), marked[:, place].sum()),
                _share(right[:, place].sum(), area.sum()),
                _share((marked[~holds, place] > 0).sum(), (~holds).sum()),
            )
        )
    return tuple(found)


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def receiver_operating(presence: Sequence[float], present: Sequence[bool]) -> tuple[Cut, ...]:
    """The ROC curve: a point for each presence that occurs, highest first; nothing where all frames are of one kind.

    Of more than 500 every so-manieth is left out, never the last.

    >>> [(cut.sensitivity, cut.false_positives) for cut in receiver_operating([0.9, 0.2, 0.1], [True, False, True])]
    [(0.5, 0.0), (0.5, 1.0), (1.0, 1.0)]
    """
    values, positive = np.asarray(presence, np.float64), np.asarray(present, np.bool_)
    if not len(values) or positive.all() or not positive.any():
        return ()
    cuts = np.unique(values)[::-1]
    if len(cuts) > MOST_CUTS:
        cuts = cuts[np.linspace(0, len(cuts) - 1, MOST_CUTS).round().astype(int)]
    with_class, without = np.sort(values[positive]), np.sort(values[~positive])
    return tuple(Cut(float(cut), _share_from(with_class, float(cut)), _share_from(without, float(cut))) for cut in cuts)


def _share_from(ordered: NDArray[np.float64], cut: float) -> float:
    """Which share of the values is at least ``cut``."""
    return float(1 - np.searchsorted(ordered, cut, side="left") / len(ordered))
