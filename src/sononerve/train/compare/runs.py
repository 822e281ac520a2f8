"""Plan every run of a comparison, then train and score them one after another; what is finished is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...data.dataset import Dataset
from ...progress import console
from ...runtime.bundle import SCORES
from ..config import TrainConfig
from .launch import Failure, claimed, launched
from .paces import paced, set_paces
from .places import SPLIT_FILE, Places
from .recipe import Recipe, Run
from .score import score


def train_all(recipe: Recipe, runs: Sequence[Run], dataset: Dataset, out: Path) -> list[Failure]:
    """Plan, train and score what is not finished; one that fails is told and left, and the others go on.

    All entries are planned before any is trained: the steps are then those of a machine that does nothing else. A run
    that another process works on, called with the same ``out``, is left to it.
    """
    places = Places(out)
    left = [run for run in runs if not places.result(run).is_file()]
    if len(left) < len(runs):
        console.print(f"{len(runs) - len(left)} of {len(runs)} runs are finished")
    failures = set_paces(recipe, runs, places) if left else []
    planned = [run for run in left if places.pace(run.entry.label).is_file()]
    for number, run in enumerate(planned, start=1):
        with claimed(places.claim(run)) as mine:
            if not mine:
                console.print(f"train {number} of {len(planned)}: {run.name}, left to the process that is at it")
            elif not places.result(run).is_file():  # finished by another process meanwhile
                console.print(f"train {number} of {len(planned)}: {run.name}; log {places.log(run, 'train')}")
                failure = _finish(recipe, run, dataset, places)
                failures += [] if failure is None else [failure]
    return failures


def _finish(recipe: Recipe, run: Run, dataset: Dataset, places: Places) -> Failure | None:
    """Train and score one run, and write its result."""
    failure = _train(recipe, run, paced(recipe, run, places), places)
    if failure is None:
        result = score(run, places.folder(run), places.log(run, "train"), dataset, recipe.threads)
        result.write(places.result(run))
    return failure


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
