"""Is one better than the other, frame by frame? A difference whose interval holds 0 is a tie, whatever its mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from statistics import mean
from typing import Literal, Protocol

from .scores import FrameResult
from .statistics import FEWEST_TESTED, Interval, holm, paired_difference, paired_test

Verdict = Literal["better", "worse", "tie"]
OPPOSITE: dict[Verdict, Verdict] = {"better": "worse", "worse": "better", "tie": "tie"}


class Scored(Protocol):
    """One model scored on the test part of one fold."""

    @property
    def fold(self) -> int:
        """Which fold."""
        ...

    @property
    def frames(self) -> Sequence[FrameResult]:
        """Every frame that was scored."""
        ...


@dataclass(frozen=True)
class Measure:
    """What is held against each other: ``value`` of a frame, None where it has none; ``lower``: less is better."""

    name: str
    value: Callable[[FrameResult], float | None]
    lower: bool = False


SCORES: dict[str, tuple[str, bool]] = {
    "dice": ("Dice", False),
    "surface_dice": ("surface Dice", False),
    "hd95": ("HD95", True),
    "outside": ("background marked", True),
}
"""Scores of a class that may be contrasted: how they are called, and whether lower is better."""

DEFAULT_SCORES = ("dice",)


@dataclass(frozen=True)
class Contrast:
    """``label`` minus ``against`` in one ``measure``, on the frames that define it.

    ``difference``: mean over frames, seeds averaged first, with its interval over groups. ``p``: of `paired_test`, and
    ``p_holm`` after Holm's correction over all contrasts of its table; None with too few groups.
    """

    label: str
    against: str
    measure: str
    difference: Interval
    p: float | None
    p_holm: float | None
    verdict: Verdict


def measures(classes: Sequence[str], boxes: bool, scores: Sequence[str] = ("dice",)) -> list[Measure]:
    """What is contrasted: ``scores``, names in ``SCORES``, of each class; first what boxes can tell, where they are."""
    found: list[Measure] = []
    if boxes:
        found.append(
            Measure("predicted pixels inside boxes", lambda frame: frame.boxes.inside if frame.boxes else None)
        )
        found.append(Measure("boxes touched", lambda frame: frame.boxes.touched if frame.boxes else None))
    for score in scores:
        title, lower = SCORES[score]
        found += [Measure(f"{title} {name}", partial(_of_class, name=name, score=score), lower) for name in classes]
    return found


def _of_class(frame: FrameResult, name: str, score: str) -> float | None:
    value: float | None = getattr(frame.classes[name], score)
    return value


def against_one(
    results: Mapping[str, Sequence[Scored]], reference: str, measured: Sequence[Measure]
) -> tuple[Contrast, ...]:
    """Every label against ``reference`` in every measure; ``results``: by label, of the same folds and seeds."""
    return _contrasts(results, [(label, reference) for label in results if label != reference], measured)


def all_pairs(results: Mapping[str, Sequence[Scored]], measured: Sequence[Measure]) -> tuple[Contrast, ...]:
    """Every label against every other, both ways, which count as one in the correction."""
    found = _contrasts(results, list(combinations(results, 2)), measured)
    return (*found, *(_mirrored(contrast) for contrast in found))


def verdict(difference: Interval, lower: bool = False) -> Verdict:
    """What may be said of a difference: "tie" where the interval holds 0, or where too few groups stand behind it.

    ``lower``: whether less is better.
    """
    low, high = difference.low, difference.high
    if low is None or high is None or low <= 0 <= high or difference.subjects < FEWEST_TESTED:
        return "tie"
    return "better" if (low > 0) != lower else "worse"


def _contrasts(
    results: Mapping[str, Sequence[Scored]], pairs: Sequence[tuple[str, str]], measured: Sequence[Measure]
) -> tuple[Contrast, ...]:
    found = []
    groups_of = {label: _groups(finished) for label, finished in results.items()}
    for measure in measured:
        means = {label: _frame_means(finished, measure.value) for label, finished in results.items()}
        for label, against in pairs:
            frames, of = list(means[label]), groups_of[against]
            if not frames:
                continue
            groups = [of[frame] for frame in frames]
            a, b = [means[label][frame] for frame in frames], [means[against][frame] for frame in frames]
            difference, p = paired_difference(a, b, groups), paired_test(a, b, groups)
            told = verdict(difference, measure.lower)
            found.append(Contrast(label, against, measure.name, difference, p, None, told))
    corrected = holm([contrast.p for contrast in found])
    return tuple(replace(contrast, p_holm=p) for contrast, p in zip(found, corrected, strict=True))


def _groups(results: Sequence[Scored]) -> dict[tuple[int, str], str]:
    """The group by fold and frame; a model that began with another calls the same groups otherwise."""
    return {(result.fold, frame.name): frame.group for result in results for frame in result.frames}


def _frame_means(
    results: Sequence[Scored], value: Callable[[FrameResult], float | None]
) -> dict[tuple[int, str], float]:
    """The mean over seeds by fold and frame, of the frames that define it."""
    seen: dict[tuple[int, str], list[float]] = {}
    for result in results:
        for frame in result.frames:
            score = value(frame)
            if score is not None:
                seen.setdefault((result.fold, frame.name), []).append(score)
    return {frame: mean(scores) for frame, scores in seen.items()}


def _mirrored(contrast: Contrast) -> Contrast:
    old = contrast.difference
    low, high = (None if bound is None else -bound for bound in (old.high, old.low))
    difference = replace(old, value=-old.value, low=low, high=high)
    return replace(
        contrast,
        label=contrast.against,
        against=contrast.label,
        difference=difference,
        verdict=OPPOSITE[contrast.verdict],
    )
