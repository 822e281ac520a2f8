"""Whether a measurement of the predicted mask may stand for one of the true mask.

Bland-Altman limits and intraclass correlation. Only frames on which both masks hold the class can be measured twice;
how many those are stands behind each interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .statistics import Interval, bootstrap_interval, bootstrap_pooled

Floats = NDArray[np.float64]

NORMAL_95 = 1.96


@dataclass(frozen=True)
class Agreement:
    """How a quantity measured on predictions agrees with the same on the truth, each value with its 95 % interval.

    ``bias``: mean of predicted minus true. ``low``, ``high``: limits of agreement, between which 95 % of the
    differences lie if they are normal (Bland and Altman, Lancet 1986). ``error``: mean absolute difference. All in the
    unit measured. ``icc``: ICC(A,1), absolute agreement of single measurements (McGraw and Wong, Psychological Methods
    1996), 1 is perfect; None where no value differs from another. ``low`` and ``high`` are None for a single frame.
    """

    bias: Interval
    low: Interval | None
    high: Interval | None
    error: Interval
    icc: Interval | None


def measure_agreement(true: Sequence[float], predicted: Sequence[float], groups: Sequence[str]) -> Agreement | None:
    """Hold ``predicted`` against ``true``, one of each per frame; ``groups``: the subject of each. None for no frame.

    Frames of one subject count as they are: the limits hold for a next frame of any subject, and the intervals, from
    resampled subjects, tell how sure they are.

    >>> found = measure_agreement([10, 20, 30], [11, 22, 33], ["a", "b", "c"])
    >>> found.bias.value, round(found.high.value, 2), round(found.icc.value, 3)
    (2.0, 3.96, 0.974)
    """
    if not len(true):
        return None
    x, y = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    middle = x.mean()  # sums of squares of large numbers that lie close together would lose their digits
    x, y = x - middle, y - middle
    tables = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    return Agreement(
        bias=bootstrap_interval(y - x, groups),
        low=bootstrap_pooled(tables, groups, partial(_limit, deviations=-NORMAL_95)),
        high=bootstrap_pooled(tables, groups, partial(_limit, deviations=NORMAL_95)),
        error=bootstrap_interval(np.abs(y - x), groups),
        icc=bootstrap_pooled(tables, groups, _icc),
    )


def _limit(sums: Floats, deviations: float) -> Floats:
    """Mean difference plus so many standard deviations, from sums ``(k, 6)`` of 1, x, y, x², y² and xy."""
    n, x, y, xx, yy, xy = sums.T
    mean = (y - x) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (xx + yy - 2 * xy - n * mean**2).clip(0) / (n - 1)
    return np.asarray(mean + deviations * np.sqrt(variance), np.float64)


def _icc(sums: Floats) -> Floats:
    """ICC(A,1) of two measurements, from the same sums."""
    n, x, y, xx, yy, xy = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        between = ((xx + yy + 2 * xy) / 2 - (x + y) ** 2 / (2 * n)) / (n - 1)  # mean square of frames
        methods = (x - y) ** 2 / (2 * n)  # mean square of the two ways to measure
        rest = ((xx + yy - 2 * xy) / 2 - (x - y) ** 2 / (2 * n)).clip(0) / (n - 1)
        found = (between - rest) / (between + rest + 2 * (methods - rest) / n)
    return np.asarray(np.where(np.isfinite(found), found, np.nan), np.float64)
