"""From the results in a comparison's folder to its table, its picture and its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...data.dataset import Dataset
from ...data.split import Split
from ...errors import TrainingError
from ...evaluate.contrast import DEFAULT_SCORES
from ...evaluate.report.figures import Point, score_against_latency
from ...io.atomic import write_bytes, write_text
from ...runtime.engine import EngineChoice
from ...runtime.predictor import Predictor
from ...runtime.race import race
from ..run import BUNDLE
from .comparison import Comparison, shared_cells, summarise_results
from .latency import Latency, compared, some_frames
from .launch import Failure
from .places import SPLIT_FILE, Places
from .recipe import Recipe, Run
from .results import Result
from .tables import markdown

APART = "ms a frame was measured after each training by itself, for some runs are gone: ratios tell little"
JSON, PAGE, PICTURE = "compare.json", "compare.md", "score_against_latency"

Finished = dict[str, list[tuple[Run, Result]]]
"""The runs that are compared, with their results, by label."""


def report(
    recipe: Recipe,
    division: Split,
    dataset: Dataset,
    out: Path,
    reference: str,
    failures: Sequence[Failure],
    scores: Sequence[str],
) -> Comparison:
    """Compare what is finished, write it, and return it; ``scores`` are contrasted.

    Only folds and seeds count that every label with a result has finished. Raises `TrainingError` where there are none.
    """
    places, runs = Places(out), list(recipe.runs(len(division.folds)))
    finished = [(run, Result.read(places.result(run))) for run in runs if places.result(run).is_file()]
    cells = shared_cells([result for _, result in finished])
    chosen: Finished = {}
    for entry in recipe.entries:
        for run, result in finished:
            if run.entry == entry and run.cell in cells:
                chosen.setdefault(entry.label, []).append((run, result))
    if reference not in chosen:
        raise TrainingError(
            f"{out}: nothing to compare with {reference}: no fold and seed that all have finished; "
            f"{_failed(failures) or 'go on with --resume'}"
        )
    latencies = _latencies(chosen, reference, dataset, division, places, recipe.threads)
    notes = _missing(runs, [run for run, _ in finished], cells)
    comparison = summarise_results(
        {label: [result for _, result in found] for label, found in chosen.items()},
        reference,
        latencies,
        notes=notes if all(one.together for one in latencies.values()) else [*notes, APART],
        failures=[f"{failure.run}: {failure.told}" for failure in failures],
        command=recipe.command(SPLIT_FILE, out.name, _asked(recipe, reference, scores)),
        recipe=recipe.without_place(),
        scores=scores,
    )
    write_text(out / JSON, comparison.to_json())
    _draw(comparison, out)
    write_text(out / PAGE, markdown(comparison, f"{PICTURE}.png"))
    return comparison


def _asked(recipe: Recipe, reference: str, scores: Sequence[str]) -> list[str]:
    """The words of a command that ask for this report, where they are not the default."""
    words = [] if reference == recipe.entries[0].label else ["--reference", reference]
    return words + ([] if tuple(scores) == DEFAULT_SCORES else ["--scores", ",".join(scores)])


def _failed(failures: Sequence[Failure]) -> str:
    return "; ".join(f"{failure.run} failed, see {failure.log}" for failure in failures)


def _missing(runs: Sequence[Run], finished: Sequence[Run], cells: Sequence[tuple[int, int]]) -> list[str]:
    """What is not in the comparison although it was asked for."""
    lacking = [run.name for run in runs if run not in finished]
    unused = [run.name for run in finished if run.cell not in cells]
    notes = [f"not finished, and not compared: {', '.join(lacking)}"] if lacking else []
    if unused:
        notes.append(f"finished but not compared, for others lack that fold and seed: {', '.join(unused)}")
    return notes


def _latencies(
    chosen: Finished, reference: str, dataset: Dataset, division: Split, places: Places, threads: int | None
) -> dict[str, Latency]:
    """One bundle of each label, all on the same frames in turn; without the bundles, what each took after training."""
    firsts = {label: found[0][0] for label, found in chosen.items()}
    if all((places.folder(run) / BUNDLE).is_dir() for run in firsts.values()):
        predictors = {
            label: Predictor.load(places.folder(run), EngineChoice(threads=threads)) for label, run in firsts.items()
        }
        frames = some_frames(dataset, division.indices(dataset, firsts[reference].fold, "test"))
        return compared(race(predictors, frames), reference)
    alone = {label: found[0][1].prediction for label, found in chosen.items()}
    return {
        label: Latency(taken.latency_ms, taken.latency_ms / alone[reference].latency_ms, taken.frames, together=False)
        for label, taken in alone.items()
    }


def _draw(comparison: Comparison, out: Path) -> None:
    against = " against boxes" if comparison.truth == "boxes" else ""
    panels = {
        name: [
            Point(line.label, line.latency.ms, dice)
            for line in comparison.lines
            if (dice := line.summary.classes[name].scores["dice"]) is not None
        ]
        for name in comparison.classes
    }
    title = f"{comparison.data}: mean of {comparison.frames} frames, 95 % interval over {comparison.groups} groups"
    pictures = score_against_latency({n: p for n, p in panels.items() if p}, f"Dice{against}", title)
    for ending, content in pictures.items():
        write_bytes(out / f"{PICTURE}.{ending}", content)
