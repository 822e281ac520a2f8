"""From finished trainings to one page: scored on the same frames, with their curves and what they looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..data.audit import audit
from ..data.dataset import Dataset
from ..data.split import Part, Split
from ..errors import InputError
from ..evaluate.report.figures import comparison
from ..evaluate.report.gallery import EXPLAINED, kinds
from ..evaluate.report.learning_plot import Log
from ..evaluate.report.maps import Map
from ..evaluate.report.page import Shown, report_page
from ..evaluate.report.plot import Plot
from ..evaluate.robustness import measure_robustness
from ..evaluate.run import Evaluation, evaluate, on_common_frames
from ..frame import Sample
from ..io.atomic import new_folder, write_bytes, write_text
from ..progress import counted
from ..runtime.bundle import Bundle
from .config import TrainConfig
from .explain import explain_network
from .log import rounds_of_stages
from .restore import read_recorded, restore
from .run import CONFIG, PLAN, SPLIT, open_data

SHOWN_ALREADY = ("probability", "uncertainty")


def report_runs(
    runs: Sequence[Path],
    out: Path,
    *,
    dataset: Dataset | None = None,
    part: Part = "test",
    figures: Path | None = None,
    robustness: bool = False,
    explained: bool = True,
) -> None:
    """Write one page about ``runs``, folders of trainings or bundles, to the file ``out``.

    ``dataset``: what they are scored on, by default what the first was trained on; each model is scored on frames that
    none of them has seen. ``figures``: a new folder for every plot as SVG, PNG and CSV, and examples. ``robustness``:
    also score on worse frames. ``explained``: also show gates and saliency of some frames, of a network that is no
    ensemble. Raises `InputError` where a run is none, or no frame is held out for all.
    """
    bundles = {name: Bundle.open(run) for name, run in zip(names(runs), runs, strict=True)}
    first = next(iter(bundles.values()))
    explainer = _explainer(first) if explained and not first.config.members else None  # each member has its own maps
    data = dataset or own_data(runs[0])
    audited = _audited(data, Split.read(runs[0] / SPLIT) if dataset is None else None, first.config.fold)
    found = []
    for name, bundle in bundles.items():
        with counted(f"score {name}") as progress:
            found.append(evaluate(bundle, data, part, progress=progress))
    shown = {}
    for (name, run), evaluation in zip(zip(bundles, runs, strict=True), on_common_frames(found), strict=True):
        curves = None
        if robustness:
            with counted(f"score worse frames, {name}") as progress:
                curves = measure_robustness(evaluation, progress=progress)
        shown[name] = Shown(evaluation, curves, read_log(run))
    with counted("draw frames") as progress:
        html, plots = report_page(shown, audited, explainer, progress)
    if figures is not None:
        with new_folder(figures) as building:
            write_figures(plots, building)
            write_examples(next(iter(shown.values())).evaluation, building)
    write_text(out, html)


def names(runs: Sequence[Path]) -> list[str]:
    """What runs are called: the last part of each path, and as much before it as tells them apart.

    >>> names([Path("a/unet"), Path("b/unet"), Path("gan")])
    ['a/unet', 'b/unet', 'gan']
    """
    parts = [run.resolve().parts for run in runs]
    found = []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        found.append("/".join(own[-length:]))
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{twice}: is given twice; give each run once")
    return found


def own_data(run: Path) -> Dataset:
    """The data that a run was trained on, where its configuration says."""
    if not (run / PLAN).is_file():
        raise InputError(f"{run}: does not say where its data lies; give it with --data")
    return open_data(TrainConfig.read(run / CONFIG))


def _audited(data: Dataset, division: Split | None, fold: int) -> list[str]:
    """Warnings of an audit of the data, and of the model's fold where its frames are still called as they were."""
    told: list[str] = []
    if division is not None and not set(data.names) <= set(division.groups):
        told.append("the model's split is of other frames by name, so it was not searched for duplicates on two sides")
        division = None
    with counted("look through the data") as progress:
        return [*told, *audit(data, division, fold, progress=progress).warnings]


def read_log(run: Path) -> Log:
    """What a run's log tells in numbers, of a training in stages the last one's; nothing where there is none."""
    *_, rounds = [[], *rounds_of_stages(run)]
    return [{key: float(value) for key, value in row.items() if value} for row in rounds]


def _explainer(bundle: Bundle) -> Callable[[Sample], Sequence[Map]]:
    model, preprocess = restore(bundle)
    temperature = read_recorded(bundle).temperature.mask

    def explain(sample: Sample) -> Sequence[Map]:
        maps = explain_network(sample.frame, model, preprocess, bundle.config.classes, temperature).maps()
        return [one for one in maps if not one.name.startswith(SHOWN_ALREADY)]

    return explain


def write_figures(plots: Sequence[Plot], folder: Path) -> None:
    """Every plot as ``NAME.svg``, ``NAME.png`` and ``NAME.csv``, the data behind it."""
    for plot in plots:
        write_text(folder / f"{plot.name}.svg", plot.svg)
        write_bytes(folder / f"{plot.name}.png", plot.png)
        write_text(folder / f"{plot.name}.csv", plot.to_csv())


def write_examples(evaluation: Evaluation, folder: Path) -> None:
    """The best, median and worst frames as ``KIND_NUMBER.png``: truth, prediction, what differs, and probability."""
    counts = dict.fromkeys(sorted(EXPLAINED), 0)
    for place, told in kinds(evaluation.results).items():
        for kind in EXPLAINED & set(told):
            counts[kind] += 1
            sample, result = evaluation.dataset[evaluation.indices[place]], evaluation.results[place]
            dice = ", ".join(f"{name} {s.dice:.3f}" for name, s in result.classes.items() if s.dice is not None)
            picture = comparison(
                sample, evaluation.predictor.predict(sample.frame), f"{kind}: {result.name}, Dice {dice}"
            )
            write_bytes(folder / f"{kind}_{counts[kind]}.png", picture)
