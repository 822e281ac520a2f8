"""A model's scores on frames made worse, by corruption and severity."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ...errors import InputError
from ...runtime.ways import ONCE, Ways
from ..run import Evaluation, score_sample
from ..scores import FrameResult
from ..statistics import Interval, bootstrap_interval
from .corruptions import CORRUPTIONS, SEVERITIES, corrupt


@dataclass(frozen=True)
class Point:
    """One class under one corruption at one severity.

    Means with 95 % intervals over groups, each over the frames that define it, None where none does. ``dice`` and
    ``surface_dice``: frames that hold the class, 0 where it was missed. ``false_positive_rate``: the other frames.
    """

    dice: Interval | None
    surface_dice: Interval | None
    false_positive_rate: Interval | None


@dataclass(frozen=True)
class Curve:
    """One corruption.

    ``parameter``: what is turned, with its unit; ``levels``: its value at severity 1 to 5. ``points``: by class, at
    severity 0, which is the frame itself, to 5. ``retained``: by class, see `retained`.
    """

    parameter: str
    levels: tuple[float, ...]
    points: dict[str, tuple[Point, ...]]
    retained: dict[str, float | None]


@dataclass(frozen=True)
class Robustness:
    """The curves of one model by corruption, and what they were measured on, as in `Scores`.

    ``seed``: of what is random in the corruptions. ``ways``: how each frame was looked at. ``retained``: by class, the
    mean over the corruptions.
    """

    sononerve: str
    model: str
    data: str
    part: str
    split: str
    frames: int
    seed: int
    curves: dict[str, Curve]
    retained: dict[str, float | None]
    ways: Ways = ONCE

    @classmethod
    def read(cls, path: Path | str) -> Robustness:
        """Read a ``robustness.json``; raise `InputError` where the file is none."""
        try:
            return TypeAdapter(cls).validate_json(Path(path).read_bytes())
        except (OSError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise InputError(f"{path}: is no robustness.json of 'evaluate --robustness' ({first})") from error

    def to_json(self) -> str:
        """As JSON, intervals as objects."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def measure_robustness(
    evaluation: Evaluation, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Robustness:
    """Score the model of an evaluation again, on the same frames made worse: 40 times per frame.

    >>> measure_robustness(evaluate("run", dataset)).curves["blur"].retained  # doctest: +SKIP
    {'nerve': 0.93}
    """
    scores, dataset = evaluation.scores, evaluation.dataset
    cells = [(corruption, severity) for corruption in CORRUPTIONS for severity in range(1, SEVERITIES + 1)]
    results: dict[tuple[str, int], list[FrameResult]] = {cell: [] for cell in cells}
    total = len(evaluation.results) * len(cells)
    for number, (i, clean) in enumerate(zip(evaluation.indices, evaluation.results, strict=True)):
        sample = dataset[i]
        for done, cell in enumerate(cells, start=number * len(cells) + 1):
            worse = corrupt(sample, clean.name, *cell, seed)
            answer = evaluation.predictor.predict(worse.frame)
            results[cell].append(score_sample(worse, answer, clean.name, clean.group, scores.unit == "mm"))
            if progress is not None:
                progress(done, total)
    curves = {}
    for corruption in CORRUPTIONS:
        worse_and_worse = [results[corruption, severity] for severity in range(1, SEVERITIES + 1)]
        curves[corruption] = _curve(corruption, [evaluation.results, *worse_and_worse], dataset.classes)
    return Robustness(
        sononerve=scores.sononerve,
        model=scores.model,
        data=scores.data,
        part=scores.part,
        split=scores.split,
        frames=len(evaluation.results),
        seed=seed,
        curves=curves,
        retained={name: _mean([curve.retained[name] for curve in curves.values()]) for name in dataset.classes},
        ways=scores.ways,
    )


def retained(points: Sequence[Point]) -> float | None:
    """Which share of its Dice a class keeps: the mean over severity 1 to 5 of mean Dice over that at severity 0.

    The mean corruption error of Hendrycks and Dietterich (2019, arXiv:1903.12261), with Dice for error, and for the
    reference network the model's own clean score: 1 is no loss. A poor model may keep much of little. None where the
    clean Dice is 0, or Dice is not defined at some severity.
    """
    clean, *worse = (None if point.dice is None else point.dice.value for point in points)
    mean = _mean(worse)
    return mean / clean if clean and mean is not None else None


def _curve(corruption: str, by_severity: Sequence[Sequence[FrameResult]], classes: Sequence[str]) -> Curve:
    points = {name: tuple(_point(results, name) for results in by_severity) for name in classes}
    chosen = CORRUPTIONS[corruption]
    return Curve(chosen.parameter, chosen.levels, points, {name: retained(points[name]) for name in classes})


def _point(results: Sequence[FrameResult], name: str) -> Point:
    return Point(
        dice=_interval(results, name, "dice"),
        surface_dice=_interval(results, name, "surface_dice"),
        false_positive_rate=_interval(results, name, "false_positive"),
    )


def _interval(results: Sequence[FrameResult], name: str, metric: str) -> Interval | None:
    found = [(r.group, getattr(r.classes[name], metric)) for r in results]
    defined = [(group, float(value)) for group, value in found if value is not None]
    return bootstrap_interval([v for _, v in defined], [g for g, _ in defined]) if defined else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
