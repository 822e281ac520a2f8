"""Means with intervals that resample subjects: frames of one video are nearly identical, people are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = Sequence[float] | NDArray[np.floating]
Floats = NDArray[np.float64]

RESAMPLES = 5_000  # with few subjects the widened tail lies near 0.001, and needs some draws beyond it
FEW_SUBJECTS = 10
MEASURED_COVERAGE = {2: 0.49, 3: 0.74, 5: 0.92, 7: 0.94}  # the lower of both worlds in the benchmark
FEWEST_TESTED = 6  # groups: of five that all agree the two-sided p is 2 / 32, above 0.05
CELLS_AT_ONCE = 1_000_000  # resamples x subjects held in memory


@dataclass(frozen=True)
class Interval:
    """A mean and where it would lie with other subjects.

    ``value``: the mean over what was measured. ``low``, ``high``: the interval; None with a single subject.
    ``subjects``, ``frames``: how many stand behind it. ``warning``: why not to trust it much, else None.
    """

    value: float
    low: float | None
    high: float | None
    subjects: int
    frames: int
    warning: str | None = None


def bootstrap_interval(
    values: Values,
    groups: Sequence[str],
    *,
    by: Literal["frame", "subject"] = "frame",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Average values over frames, or subjects' means over subjects, with an interval from resampled subjects.

    ``values``: ``(n,)``, one per frame; frames on which the metric is None are left out by the caller. ``groups``: the
    subject of each. ``by``: "frame" is the mean over all frames, "subject" the mean of the subjects' means.
    Subjects are drawn with replacement and bring all their frames. The interval is the percentile one, widened by
    Student's t (Hesterberg, The American Statistician 2015, section 5.2) at the effective number of subjects
    ``(sum n)^2 / sum n^2`` (Kish 1965), since one subject with half of the frames makes the others count less. It
    cannot leave the range of the values. Its coverage is measured by benchmarks/interval_coverage.py. Raises ValueError
    for no values, lengths that differ, a value that is not finite, and a level or number of resamples out of range.

    >>> found = bootstrap_interval([0.8, 0.9, 0.7, 0.6], ["a", "a", "b", "c"])
    >>> round(found.value, 3), found.subjects, found.frames
    (0.75, 3, 4)
    """
    value, names, subject = _checked(values, groups)
    frames: Floats = np.bincount(subject).astype(np.float64)
    sums: Floats = np.bincount(subject, value).astype(np.float64)
    if by == "subject":
        sums, frames = sums / frames, np.ones(len(names))

    drawn = [(counts @ sums) / (counts @ frames) for counts in _resampled(len(names), resamples, seed)]
    mean = float(sums.sum() / frames.sum())
    means = np.concatenate(drawn)
    return _interval(mean, means, _effective(frames), level, subjects=len(names), frames=len(value))


def paired_difference(
    a: Values,
    b: Values,
    groups: Sequence[str],
    *,
    by: Literal["frame", "subject"] = "frame",
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Compare two models on the same frames: the mean of ``a`` minus the mean of ``b``, subjects resampled together.

    ``a``, ``b``: ``(n,)``, the same frames in the same order. The rest, and what is raised, as in
    ``bootstrap_interval``. An interval without 0 means that the difference would likely hold for other subjects.
    """
    return bootstrap_interval(_differences(a, b), groups, by=by, level=level, resamples=resamples, seed=seed)


def paired_test(a: Values, b: Values, groups: Sequence[str]) -> float | None:
    """Test whether ``a`` and ``b`` differ: the two-sided p of Wilcoxon's signed ranks over the subjects' differences.

    ``a``, ``b``, ``groups``, and what is raised, as in `paired_difference`. A subject counts once, by the mean of its
    frames' differences. Subjects without a difference are left out (Wilcoxon 1945), and where none has one p is 1. None
    with fewer than six subjects, for then p cannot fall below 0.05.

    >>> paired_test([0.9, 0.8, 0.7, 0.9, 0.6, 0.8], [0.5, 0.5, 0.5, 0.4, 0.4, 0.7], list("abcdef"))
    0.03125
    """
    means = np.array(list(subject_means(_differences(a, b), groups).values()))
    if len(means) < FEWEST_TESTED:
        return None
    differing = means[means != 0]
    return float(stats.wilcoxon(differing).pvalue) if len(differing) else 1.0


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for being several: Holm's step-down procedure (Scandinavian Journal of Statistics 1979).

    The smallest of n is multiplied by n, the next by n - 1, and so on; none gets less than one before it, or more than
    1. Below 0.05 then lies any false one in at most 5 % of such tables. None stays None and does not count.

    >>> holm([0.02, None, 0.01])
    [0.02, None, 0.02]
    """
    order = sorted((i for i, value in enumerate(p) if value is not None), key=lambda i: p[i] or 0.0)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * (p[i] or 0.0)))
        corrected[i] = largest
    return corrected


def subject_means(values: Values, groups: Sequence[str]) -> dict[str, float]:
    """The mean of each subject, in order of name; raises as ``bootstrap_interval`` does.

    >>> subject_means([1.0, 0.0, 0.5], ["b", "b", "a"])
    {'a': 0.5, 'b': 0.5}
    """
    value, names, subject = _checked(values, groups)
    means = np.bincount(subject, value) / np.bincount(subject)
    return dict(zip(names, means.tolist(), strict=True))


def bootstrap_pooled(
    tables: Floats,
    groups: Sequence[str],
    statistic: Callable[[Floats], Floats],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Compute what is defined on sums over frames, as a calibration error, with an interval from resampled subjects.

    ``tables``: ``(n, ...)``, one per frame; they are added up. ``statistic``: from sums ``(k, ...)`` to ``(k,)``, nan
    where it is not defined. ``groups``: the subject of each frame. None where it is not defined on the sum of all;
    resamples on which it is not are left out. Widened as in ``bootstrap_interval``. A statistic that counts deviations
    of either sign, as a calibration error does, is larger on resamples than on all frames: its interval lies high.

    >>> share = bootstrap_pooled(np.array([[1.0, 2.0], [0.0, 2.0]]), ["a", "b"], lambda sums: sums[:, 0] / sums[:, 1])
    >>> share.value, share.subjects, share.frames
    (0.25, 2, 2)
    """
    names, subject = np.unique(np.asarray(groups, np.str_), return_inverse=True)
    flat = tables.reshape(len(tables), -1)
    sums = np.zeros((len(names), flat.shape[1]))
    np.add.at(sums, subject, flat)
    value = float(statistic(sums.sum(0).reshape(1, *tables.shape[1:]))[0])
    if not np.isfinite(value):
        return None
    drawn = [
        statistic((counts @ sums).reshape(-1, *tables.shape[1:])) for counts in _resampled(len(names), resamples, seed)
    ]
    found = np.concatenate(drawn)
    effective = _effective(np.bincount(subject).astype(np.float64))
    return _interval(value, found[np.isfinite(found)], effective, level, subjects=len(names), frames=len(tables))


def rank_correlation(a: Values, b: Values, groups: Sequence[str]) -> Interval | None:
    """Spearman's rank correlation of two values per frame, -1..1, with an interval from resampled subjects.

    Ranks are those among all frames. None where either value is the same on every frame.
    """
    x, y = (stats.rankdata(values) - (len(values) + 1) / 2 for values in (a, b))
    tables = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    return bootstrap_pooled(tables, groups, _correlation)


def _correlation(sums: Floats) -> Floats:
    """Pearson's correlation from sums ``(k, 6)`` of 1, x, y, x², y² and xy."""
    n, x, y, xx, yy, xy = sums.T
    spread = (n * xx - x * x).clip(0) * (n * yy - y * y).clip(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 0, (n * xy - x * y) / np.sqrt(spread), np.nan), np.float64)


def bootstrap_auroc(
    scores: Values,
    present: Sequence[bool] | NDArray[np.bool_],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """Area under the ROC curve of presence over all frames, with an interval from resampled subjects.

    ``scores``: ``(n,)``, higher means present. ``present``: bool ``(n,)``. ``groups``: the subject of each frame. None
    where all frames are of one kind, as in ``presence_auroc``. Resamples of one kind only have no area and are left
    out; the warning counts them. Widened as in ``bootstrap_interval``, at the smaller effective number of subjects of
    the two kinds. Raises ValueError as ``bootstrap_interval`` does.
    """
    score, names, subject = _checked(scores, groups)
    positive = np.asarray(present, np.bool_)
    if positive.shape != score.shape:
        raise ValueError(f"{len(score)} scores, but present is {positive.shape}; expected one per frame")
    if positive.all() or not positive.any():
        return None
    with_class = np.bincount(subject[positive], minlength=len(names)).astype(np.float64)
    without = np.bincount(subject[~positive], minlength=len(names)).astype(np.float64)
    wins = _wins(score, positive, subject, len(names))

    drawn = []
    for counts in _resampled(len(names), resamples, seed):
        pairs = (counts @ with_class) * (counts @ without)
        usable = pairs > 0
        drawn.append(((counts @ wins) * counts).sum(1)[usable] / pairs[usable])
    areas = np.concatenate(drawn)
    left_out = resamples - len(areas)
    note = f"{left_out} of {resamples} resamples had frames of one kind only and were left out" if left_out else None
    bearing = int(min(np.count_nonzero(with_class), np.count_nonzero(without)))
    if bearing < len(names) and bearing < FEW_SUBJECTS:
        few = f"only {bearing} of {len(names)} subjects have frames of the rarer kind"
        note = few if note is None else f"{few}; {note}"
    value = float(wins.sum() / (with_class.sum() * without.sum()))
    effective = min(_effective(with_class), _effective(without))
    return _interval(value, areas, effective, level, subjects=len(names), frames=len(score), note=note)


def _wins(score: Floats, positive: NDArray[np.bool_], subject: NDArray[np.intp], subjects: int) -> Floats:
    """Entry ``(s, t)``: pairs that frames with the class of s win against frames without of t; a tie is half a pair."""
    wins = np.zeros((subjects, subjects))
    bearers = subject[positive]
    for other in range(subjects):
        rivals = np.sort(score[~positive & (subject == other)])
        below = np.searchsorted(rivals, score[positive], "left")
        up_to = np.searchsorted(rivals, score[positive], "right")
        wins[:, other] = np.bincount(bearers, (below + up_to) / 2, minlength=subjects)
    return wins


def _differences(a: Values, b: Values) -> Floats:
    first, second = _finite(a, "a"), _finite(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"a has {len(first)} values, b {len(second)}; expected the same frames for both")
    return first - second


def _finite(values: Values, name: str) -> Floats:
    value = np.asarray(values, np.float64)
    if value.ndim != 1 or value.size == 0:
        raise ValueError(f"{name} has the shape {value.shape}; expected at least one number in a row")
    if not np.isfinite(value).all():
        position = int(np.argmin(np.isfinite(value)))
        raise ValueError(f"{name}[{position}] is {value[position]}; expected a finite number")
    return value


def _checked(values: Values, groups: Sequence[str]) -> tuple[Floats, list[str], NDArray[np.intp]]:
    """The values, the names of the subjects in order, and the number of each value's subject."""
    value = _finite(values, "values")
    if len(groups) != len(value):
        raise ValueError(f"{len(value)} values, but {len(groups)} groups; expected the subject of each value")
    names, subject = np.unique(np.asarray(groups, np.str_), return_inverse=True)
    return value, [str(name) for name in names], subject


def _resampled(subjects: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each subject was drawn with replacement, ``(some resamples, subjects)`` at a time."""
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; expected at least 1")
    rng = np.random.default_rng(seed)
    at_once = max(1, CELLS_AT_ONCE // subjects)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = rng.integers(subjects, size=(rows, subjects)) + np.arange(rows)[:, None] * subjects
        yield np.bincount(drawn.ravel(), minlength=rows * subjects).reshape(rows, subjects).astype(np.float64)


def _effective(frames: Floats) -> float:
    return float(frames.sum() ** 2 / (frames**2).sum())


def _interval(
    value: float,
    drawn: Floats,
    effective: float,
    level: float,
    *,
    subjects: int,
    frames: int,
    note: str | None = None,
) -> Interval:
    """The widened percentile interval of the drawn means, with all that must be said about it."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a number between 0 and 1")
    if subjects == 1:
        return Interval(value, None, None, subjects, frames, "only 1 subject: how subjects differ is unknown")
    low, high = _widened_percentiles(drawn, effective, level) if len(drawn) else (None, None)
    said = [note] if note else []
    if subjects < FEW_SUBJECTS:
        known = max(n for n in MEASURED_COVERAGE if n <= subjects)
        said.insert(
            0,
            f"only {subjects} subjects: the interval is itself uncertain (in simulations with {known} subjects, "
            f"95 % intervals held the truth in {100 * MEASURED_COVERAGE[known]:.0f} % of cases)",
        )
    if low is not None and high is not None and np.isclose(low, high, rtol=1e-9, atol=1e-12):
        said.append("all subjects agree: an interval without width does not mean that others would")
    return Interval(value, low, high, subjects, frames, "; ".join(said) or None)


def _widened_percentiles(drawn: Floats, effective: float, level: float) -> tuple[float, float]:
    """Percentiles further out than asked for, which undoes that a bootstrap of few subjects is too narrow."""
    if effective - 1 < 1e-3:  # Student's t has no quantile at 0 degrees of freedom
        return float(drawn.min()), float(drawn.max())
    t = float(stats.t.ppf((1 - level) / 2, effective - 1))
    tail = float(stats.norm.cdf(t * np.sqrt(effective / (effective - 1))))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
