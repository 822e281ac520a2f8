"""Plan every run of a comparison, then train and score them one after another; what is finished is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...data.dataset import Dataset
from ...progress import console
from ...runtime.bundle import SCORES
from ..config import TrainConfig
from .launch import Failure, launched
from .paces import paced, set_paces
from .places import SPLIT_FILE, Places
from .recipe import Recipe, Run
from .score import score


def train_all(recipe: Recipe, runs: Sequence[Run], dataset: Dataset, out: Path) -> list[Failure]:
    """Plan, train and score what is not finished; one that fails is told and left, and the others go on.

    All entries are planned before any is trained: the steps are then those of a machine that does nothing else.
    """
    places = Places(out)
    left = [run for run in runs if not places.result(run).is_file()]
    if len(left) < len(runs):
        console.print(f"{len(runs) - len(left)} of {len(runs)} runs are finished")
    failures = set_paces(recipe, runs, places) if left else []
    planned = [run for run in left if places.pace(run.entry.label).is_file()]
    for number, run in enumerate(planned, start=1):
        config = paced(recipe, run, places)
        log = places.log(run, "train")
        console.print(f"train {number} of {len(planned)}: {run.name}, {config.steps} steps; log {log}")
        failure = _train(recipe, run, config, places)
        if failure is not None:
            failures.append(failure)
            continue
        result = score(run, places.folder(run), log, dataset, recipe.threads)
        result.write(places.result(run))
    return failures


def _train(recipe: Recipe, run: Run, config: TrainConfig, places: Places) -> Failure | None:
    folder = places.folder(run)
    if (folder / SCORES).is_file():  # trained, and stopped before its result was written
        return None
    config.write(places.config(run.name))
    words = ["--config", str(places.config(run.name)), "--split", str(places.out / SPLIT_FILE)]
    if folder.is_dir() and any(folder.iterdir()):
        words.append("--resume")
    told = ["train", str(recipe.base.data.folder), "--out", str(folder), *words]
    return launched(run.name, told, places.log(run, "train"), recipe.threads)
