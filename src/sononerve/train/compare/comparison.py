"""What a comparison tells: for each label its scores and costs, and how it stands against the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean

from ... import __version__
from ...evaluate.contrast import DEFAULT_SCORES, Contrast, against_one, all_pairs, measures
from ...evaluate.scores import FrameResult, Summary, summarise
from .latency import Latency
from .results import Result

GIGABYTE = 1e9


@dataclass(frozen=True)
class Line:
    """One label: what it is, what it cost in the mean of its runs, and how it scored.

    ``canvas``: rows x columns of what the network sees; several where runs differ, as for ``batch``, ``precision`` and
    ``width``, of the network where that is not in its own settings; "" where it has the usual one.
    ``minutes`` of training steps on ``cores`` cores; ``training_gb`` and ``prediction_gb``: peak memory, the largest of
    its runs. ``summary``: over the frames of all folds and seeds, so its counts of frames are those of all seeds.
    """

    label: str
    model: str
    settings: dict[str, object]
    runs: int
    parameters: int
    width: str
    canvas: str
    batch: str
    precision: str
    steps: float
    minutes: float
    cores: float
    training_gb: float | None
    prediction_gb: float | None
    latency: Latency
    summary: Summary


@dataclass(frozen=True)
class Comparison:
    """Everything that is told, and written as ``compare.json``.

    ``cells``: the folds and seeds that every label has finished; only their frames count, ``frames`` in number, of
    ``groups`` subjects or clusters. ``notes``: what a reader must know before the numbers. ``failures``: runs that
    ended with an error. ``recipe``: all that was asked for, and ``command`` the same as a command.
    """

    sononerve: str
    command: str
    data: str
    split: str
    truth: str
    unit: str
    classes: tuple[str, ...]
    reference: str
    cells: tuple[tuple[int, int], ...]
    frames: int
    groups: int
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    lines: tuple[Line, ...]
    contrasts: tuple[Contrast, ...]
    pairs: tuple[Contrast, ...]
    recipe: dict[str, object]

    def to_json(self) -> str:
        """As JSON, intervals as objects."""
        return json.dumps(asdict(self), indent=1) + "\n"


def shared_cells(results: Sequence[Result]) -> tuple[tuple[int, int], ...]:
    """The folds and seeds of which every label in ``results`` has a result, in order."""
    by_label: dict[str, set[tuple[int, int]]] = {}
    for result in results:
        by_label.setdefault(result.label, set()).add((result.fold, result.seed))
    return tuple(sorted(set.intersection(*by_label.values()))) if by_label else ()


def summarise_results(
    results: Mapping[str, Sequence[Result]],
    reference: str,
    latencies: Mapping[str, Latency],
    *,
    notes: Sequence[str],
    failures: Sequence[str],
    command: str,
    recipe: dict[str, object],
    scores: Sequence[str] = DEFAULT_SCORES,
) -> Comparison:
    """Compare ``results``, by label, all of the same folds and seeds; ``scores`` are those that are contrasted."""
    first = results[reference][0]
    lines = tuple(_line(finished, latencies[label]) for label, finished in results.items())
    measured = measures(first.classes, first.truth == "boxes", scores)
    frames = {(result.fold, frame.name): frame.group for result in results[reference] for frame in result.frames}
    return Comparison(
        sononerve=__version__,
        command=command,
        data=first.data,
        split=first.split,
        truth=first.truth,
        unit=first.unit,
        classes=first.classes,
        reference=reference,
        cells=shared_cells([result for finished in results.values() for result in finished]),
        frames=len(frames),
        groups=len(set(frames.values())),
        notes=(*notes, *_unlike(lines), *_warnings(results[reference])),
        failures=tuple(failures),
        lines=lines,
        contrasts=against_one(results, reference, measured),
        pairs=all_pairs(results, measured),
        recipe=recipe,
    )


def _line(results: Sequence[Result], latency: Latency) -> Line:
    first = results[0]
    frames: list[FrameResult] = [frame for result in results for frame in result.frames]
    return Line(
        label=first.label,
        model=first.model,
        settings=first.settings,
        runs=len(results),
        parameters=first.plan.parameters,
        width=_each([_width(result) for result in results]),
        canvas=_each([f"{result.plan.height} x {result.plan.width}" for result in results]),
        batch=_each([str(result.plan.batch) for result in results]),
        precision=_each([result.machine.precision for result in results]),
        steps=mean(result.training.steps for result in results),
        minutes=mean(result.training.steps_s for result in results) / 60,
        cores=mean(result.training.cores for result in results),
        training_gb=_largest([result.training.peak_bytes for result in results]),
        prediction_gb=_largest([result.prediction.peak_bytes for result in results]),
        latency=latency,
        summary=summarise(frames, first.classes),
    )


def _width(result: Result) -> str:
    return "" if "network.width" in result.settings else str(result.plan.network.get("width", ""))


def _each(words: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _largest(sizes: Sequence[int | None]) -> float | None:
    known = [size for size in sizes if size is not None]
    return max(known) / GIGABYTE if known else None


def _unlike(lines: Sequence[Line]) -> list[str]:
    """What the plan chose differently for some, where a comparison should know it."""
    found = []
    for name, option in (("canvas", "--size"), ("precision", "--precision")):
        values = {line.label: getattr(line, name) for line in lines}
        if len(set(values.values())) > 1:
            each = ", ".join(f"{label} {value}" for label, value in values.items())
            found.append(f"the plan chose another {name} for some: {each}; {option} says it for all")
    for model in dict.fromkeys(line.model for line in lines):
        widths = {line.label: line.width for line in lines if line.model == model and line.width}
        if len(set(widths.values())) > 1:
            each = ", ".join(f"{label} {width}" for label, width in widths.items())
            found.append(f"the plan chose another width of {model} for some: {each}; --set network.width says it")
    return found


def _warnings(results: Sequence[Result]) -> list[str]:
    """What the evaluations said of the data, once; how many groups there are is said for all folds together."""
    told = dict.fromkeys(warning for result in results for warning in result.warnings)
    return [warning for warning in told if not warning.startswith("subjects or clusters")]
