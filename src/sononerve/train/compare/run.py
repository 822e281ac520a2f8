"""A whole comparison, told top-down: recipe, data, split, runs, and what is told of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...data.dataset import Dataset
from ...data.split import Split, split
from ...errors import InputError
from ...evaluate.contrast import DEFAULT_SCORES, SCORES
from ...io.atomic import check_folder
from ...progress import counted
from ..config import TrainConfig
from ..run import open_data
from .comparison import Comparison
from .entries import parse_entries
from .launch import Failure
from .places import RECIPE_FILE, SPLIT_FILE
from .recipe import Recipe
from .report import report
from .runs import train_all


def compare(
    config: TrainConfig,
    models: Sequence[str],
    out: Path | str,
    *,
    folds: int | None = None,
    split_file: Path | None = None,
    seeds: Sequence[int] = (),
    settings: Mapping[str, object] | None = None,
    reference: str | None = None,
    threads: int | None = None,
    resume: bool = False,
    report_only: bool = False,
    scores: Sequence[str] = DEFAULT_SCORES,
) -> Comparison:
    """Train each of ``models`` on every fold and seed as ``config`` says, and compare them on the same frames.

    ``models``: ``NAME``, ``LABEL=NAME`` or ``LABEL=NAME:setting=value``, the first the reference unless ``reference``
    names another label. ``settings``: by dotted field, for all. ``folds`` are made anew (default 1: a hold-out), or are
    those of ``split_file``. ``out`` is new; with ``resume`` it goes on, with further models and seeds where given, and
    what is finished is not trained again. ``report_only``: train nothing. ``scores``: what is held against the
    reference, of "dice", "surface_dice", "hd95" and "outside". A run that fails is named in the comparison's
    ``failures``. Raises `InputError` for bad data, a wrong entry, or a folder that is there or was begun otherwise;
    `TrainingError` where nothing that can be compared has finished.

    >>> config = TrainConfig(data={"folder": "frames"}, budget_s=600)
    >>> compare(config, ["unet", "narrow=unet:network.width=24"], "compared", folds=3)  # doctest: +SKIP
    """
    out = Path(out)
    for name in scores:
        if name not in SCORES:
            raise InputError(f"--scores {name}: not known; expected some of {', '.join(SCORES)}")
    if (report_only or (resume and not models)) and not (out / RECIPE_FILE).is_file():
        raise InputError(f"{out}: holds no comparison to go on with; use the --out of one, or begin one with --models")
    recipe = _recipe(config, models, seeds, settings or {}, threads, out, resume or report_only)
    reference = _reference(recipe, reference)
    dataset = open_data(recipe.base)
    division = _split(dataset, out, folds, split_file)
    runs = list(recipe.runs(len(division.folds)))
    for run in runs:
        recipe.config(run)  # wrong settings are told before anything is trained
    failures: list[Failure] = []
    if not report_only:
        recipe.write(out / RECIPE_FILE)
        division.write(out / SPLIT_FILE)
        failures = train_all(recipe, runs, dataset, out)
    return report(recipe, division, dataset, out, reference, failures, scores)


def _reference(recipe: Recipe, told: str | None) -> str:
    labels = [entry.label for entry in recipe.entries]
    if told is not None and told not in labels:
        raise InputError(f"--reference {told}: is not compared; expected one of {', '.join(labels)}")
    return told or labels[0]


def _recipe(
    config: TrainConfig,
    models: Sequence[str],
    seeds: Sequence[int],
    settings: Mapping[str, object],
    threads: int | None,
    out: Path,
    resume: bool,
) -> Recipe:
    """What was asked for now, joined with what the folder was begun with."""
    check_folder(out)
    known = Recipe.read(out / RECIPE_FILE) if (out / RECIPE_FILE).is_file() else None
    if out.exists() and any(out.iterdir()):
        if not resume:
            raise InputError(f"{out}: is there already; use --resume to go on with it, or another --out")
        if known is None:
            raise InputError(f"{out}: not the folder of a comparison; use another --out")
    if config.strength is None:  # else the plan varies frames less often for a slow network
        config = config.model_copy(update={"strength": 1.0})
    entries = parse_entries(models)
    if known is None:
        if not entries:
            raise InputError("--models: names no network; expected some, as --models unet,unet-notebook")
        return Recipe(
            base=config, settings=dict(settings), entries=entries, seeds=tuple(seeds) or (0,), threads=threads
        )
    later = known.model_copy(
        update={
            "base": config,
            "settings": known.settings | dict(settings),
            "entries": entries,
            "seeds": tuple(seeds),
            "threads": threads or known.threads,
        }
    )
    return known.joined(later, out)


def _split(dataset: Dataset, out: Path, folds: int | None, split_file: Path | None) -> Split:
    """The comparison's own split where it has one, else the given one, else a new one of ``folds``."""
    if split_file is not None and folds is not None:
        raise InputError("--split and --folds: the file has its own folds; give one of the two")
    given = None if split_file is None else Split.read(split_file)
    if not (out / SPLIT_FILE).is_file():
        if given is not None:
            for number in range(len(given.folds)):
                given.check(dataset, number)
            return given
        with counted("find duplicates") as progress:
            return split(dataset, folds or 1, progress=progress)
    known = Split.read(out / SPLIT_FILE)
    if (given is not None and given != known) or (folds is not None and folds != len(known.folds)):
        raise InputError(f"{out}: was begun with another split, of {len(known.folds)} fold(s); use another --out")
    return known
