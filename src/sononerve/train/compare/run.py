"""A whole comparison, told top-down: recipe, data, split, runs, and what is told of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...data.dataset import Dataset
from ...data.split import Split, split
from ...errors import InputError
from ...io.atomic import check_folder
from ...progress import counted
from ..config import TrainConfig
from ..run import open_data
from .entries import parse_entries
from .recipe import Recipe
from .runs import SPLIT_FILE, Failure, train_all

RECIPE = "recipe.json"


def compare(
    config: TrainConfig,
    models: Sequence[str],
    out: Path | str,
    *,
    folds: int | None = None,
    split_file: Path | None = None,
    seeds: Sequence[int] = (),
    settings: Mapping[str, object] | None = None,
    threads: int | None = None,
    resume: bool = False,
) -> list[Failure]:
    """Train each of ``models`` on every fold and seed as ``config`` says, and compare them on the same frames."""
    out = Path(out)
    recipe = _recipe(config, models, seeds, settings or {}, threads, out, resume)
    dataset = open_data(recipe.base)
    division = _split(dataset, out, folds, split_file)
    runs = list(recipe.runs(len(division.folds)))
    for run in runs:
        recipe.config(run)
    recipe.write(out / RECIPE)
    division.write(out / SPLIT_FILE)
    return train_all(recipe, runs, dataset, out)


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
    known = Recipe.read(out / RECIPE) if (out / RECIPE).is_file() else None
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
            return given
        with counted("find duplicates") as progress:
            return split(dataset, folds or 1, progress=progress)
    known = Split.read(out / SPLIT_FILE)
    if (given is not None and given != known) or (folds is not None and folds != len(known.folds)):
        raise InputError(f"{out}: was begun with another split, of {len(known.folds)} fold(s); use another --out")
    return known
