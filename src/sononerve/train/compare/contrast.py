"""Is one better than the other, frame by frame? A difference whose interval holds 0 is a tie, whatever its mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import mean
from typing import Literal

from ...evaluate.scores import FrameResult
from ...evaluate.statistics import FEWEST_TESTED, Interval, holm, paired_difference, paired_test
from .results import Result

Verdict = Literal["better", "worse", "tie"]
Measure = Callable[[FrameResult], float | None]


@dataclass(frozen=True)
class Contrast:
    """``label`` minus ``against`` in one ``measure``, on the frames that define it.

    ``difference``: mean over frames, seeds averaged first, with its interval over groups. ``p``: of `paired_test`, and
    ``p_holm`` after Holm's correction over all contrasts of its table; None with too few groups.
    where the interval holds 0 or there is none.
    """

    label: str
    against: str
    measure: str
    difference: Interval
    p: float | None
    p_holm: float | None
    verdict: Verdict


def measures(classes: Sequence[str], boxes: bool) -> dict[str, Measure]:
    """What is contrasted, by name: the Dice of each class, and where the truth is boxes what they can tell, first."""
    found: dict[str, Measure] = {}
    if boxes:
        found["predicted pixels inside boxes"] = lambda frame: frame.boxes.inside if frame.boxes else None
        found["boxes touched"] = lambda frame: frame.boxes.touched if frame.boxes else None
    for name in classes:
        found[f"Dice {name}"] = lambda frame, name=name: frame.classes[name].dice  # type: ignore[misc]
    return found


def against_one(
    results: Mapping[str, Sequence[Result]], reference: str, measured: Mapping[str, Measure]
) -> tuple[Contrast, ...]:
    """Every label against ``reference`` in every measure; ``results``: by label, of the same folds and seeds."""
    return _contrasts(results, [(label, reference) for label in results if label != reference], measured)


def all_pairs(results: Mapping[str, Sequence[Result]], measured: Mapping[str, Measure]) -> tuple[Contrast, ...]:
    """Every label against every other, both ways, which count as one in the correction."""
    found = _contrasts(results, list(combinations(results, 2)), measured)
    return (*found, *(_mirrored(contrast) for contrast in found))


def verdict(difference: Interval) -> Verdict:
    """What may be said of a difference: "tie" where the interval holds 0, or where too few groups stand behind it."""
    low, high = difference.low, difference.high
    if low is None or high is None or low <= 0 <= high or difference.subjects < FEWEST_TESTED:
        return "tie"
    return "better" if low > 0 else "worse"


def _contrasts(
    results: Mapping[str, Sequence[Result]], pairs: Sequence[tuple[str, str]], measured: Mapping[str, Measure]
) -> tuple[Contrast, ...]:
    found = []
    for measure, value in measured.items():
        means = {label: _frame_means(finished, value) for label, finished in results.items()}
        for label, against in pairs:
            frames = list(means[label])
            if not frames:
                continue
            groups = [group for _, _, group in frames]
            a, b = [means[label][frame] for frame in frames], [means[against][frame] for frame in frames]
            difference, p = paired_difference(a, b, groups), paired_test(a, b, groups)
            found.append(Contrast(label, against, measure, difference, p, None, verdict(difference)))
    corrected = holm([contrast.p for contrast in found])
    return tuple(replace(contrast, p_holm=p) for contrast, p in zip(found, corrected, strict=True))


def _frame_means(results: Sequence[Result], value: Measure) -> dict[tuple[int, str, str], float]:
    """The mean over seeds by fold, frame and group, of the frames that define it."""
    seen: dict[tuple[int, str, str], list[float]] = {}
    for result in results:
        for frame in result.frames:
            score = value(frame)
            if score is not None:
                seen.setdefault((result.fold, frame.name, frame.group), []).append(score)
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
        verdict=verdict(difference),
    )
