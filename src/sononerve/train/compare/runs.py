"""Plan every run of a comparison, then train and score them one after another; what is finished is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.dataset import Dataset
from ...progress import console
from ...runtime.bundle import SCORES
from ..plan import Plan
from ..run import PLAN
from .launch import last_lines, launch
from .places import SPLIT_FILE, Places
from .recipe import Recipe, Run
from .score import score


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error: its name, its log, and the last lines of it."""

    run: str
    log: str
    told: str


def train_all(recipe: Recipe, runs: Sequence[Run], dataset: Dataset, out: Path) -> list[Failure]:
    """Plan, train and score what is not finished; one that fails is told and left, and the others go on.

    All are planned before any is trained: the steps are then those of a machine that does nothing else.
    """
    places = Places(out)
    left = [run for run in runs if not places.result(run).is_file()]
    if len(left) < len(runs):
        console.print(f"{len(runs) - len(left)} of {len(runs)} runs are finished")
    failures: list[Failure] = []
    planned = []
    for number, run in enumerate(left, start=1):
        console.print(f"plan {number} of {len(left)}: {run.name}")
        failure = _plan(recipe, run, places)
        if failure is None:
            planned.append(run)
        else:
            failures.append(failure)
    for number, run in enumerate(planned, start=1):
        steps = Plan.read(places.folder(run) / PLAN).steps
        console.print(f"train {number} of {len(planned)}: {run.name}, {steps} steps; log {places.log(run, 'train')}")
        failure = _train(recipe, run, places)
        if failure is None:
            result = score(run, places.folder(run), places.log(run, "train"), dataset, recipe.threads)
            result.write(places.result(run))
        else:
            failures.append(failure)
    return failures


def _plan(recipe: Recipe, run: Run, places: Places) -> Failure | None:
    folder, config = places.folder(run), places.out / "configs" / f"{run.name}.yaml"
    if (folder / PLAN).is_file():
        return None
    recipe.config(run).write(config)
    split_file = str(places.out / SPLIT_FILE)
    arguments = ["--config", str(config), "--split", split_file, "--plan-only"]
    if folder.is_dir() and any(folder.iterdir()):
        arguments.append("--resume")
    return _run_train(recipe, run, places, "plan", arguments)


def _train(recipe: Recipe, run: Run, places: Places) -> Failure | None:
    if (places.folder(run) / SCORES).is_file():  # trained, and stopped before its result was written
        return None
    return _run_train(recipe, run, places, "train", ["--resume"])


def _run_train(recipe: Recipe, run: Run, places: Places, verb: str, arguments: list[str]) -> Failure | None:
    log = places.log(run, verb)
    told = ["train", str(recipe.base.data.folder), "--out", str(places.folder(run)), *arguments]
    status = launch(told, log, recipe.threads).status
    if status == 0:
        return None
    ended = f"ended by signal {-status}, out of memory perhaps; " if status < 0 else ""
    failure = Failure(run.name, str(log), ended + last_lines(log))
    console.print(f"failed: {failure.run}; the end of {failure.log}:\n{failure.told}")
    return failure
