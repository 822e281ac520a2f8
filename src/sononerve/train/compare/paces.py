"""How each entry is trained: planned once, and then the same for every fold, seed and sitting.

The pace of an entry is its whole configuration with all that the plan chose, steps included. A budget is time on the
machine where the comparison began. An entry that comes later, perhaps elsewhere, gets as many steps as take it the time
that the first entry's take, both timed there and then; one whose steps or passes are said has those.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...progress import console
from ..config import TrainConfig
from ..plan import Plan
from ..run import CONFIG, PLAN
from .launch import Failure, claimed, launched
from .places import SPLIT_FILE, Places
from .recipe import Recipe, Run


def set_paces(recipe: Recipe, runs: Sequence[Run], places: Places) -> list[Failure]:
    """Plan every entry that has no pace yet, one after another and before anything is trained.

    Where another process plans the same comparison, its end is waited for.
    """
    with claimed(places.planning, wait=True):
        return _set_missing(recipe, runs, places)


def _set_missing(recipe: Recipe, runs: Sequence[Run], places: Places) -> list[Failure]:
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.entry.label, run)
    missing = [run for run in first.values() if not places.pace(run.entry.label).is_file()]
    timed = {run.entry.label: recipe.by_time(run.entry) for run in first.values()}
    known = [run for run in first.values() if run not in missing and timed[run.entry.label]]
    factor, failures = 1.0, list[Failure]()
    if known and any(timed[run.entry.label] for run in missing):
        again = _plan(recipe, known[0], places)
        if isinstance(again, Failure):
            return [again]
        factor = (TrainConfig.read(places.pace(known[0].entry.label)).steps or 1) / (again.steps or 1)
        console.print(f"pace: {known[0].entry.label} takes {1 / factor:.2f} of its steps in the budget here and now")
    for run in missing:
        found = _plan(recipe, run, places)
        if isinstance(found, Failure):
            failures.append(found)
            continue
        steps = max(1, round((factor if timed[run.entry.label] else 1.0) * (found.steps or 1)))
        console.print(f"pace: {run.entry.label}, {steps} steps")
        data = found.data.model_copy(update={"folder": Path(found.data.folder.name)})
        found.model_copy(update={"steps": steps, "data": data}).write(places.pace(run.entry.label))
    return failures


def paced(recipe: Recipe, run: Run, places: Places) -> TrainConfig:
    """The configuration of a run at the pace of its entry."""
    pace = TrainConfig.read(places.pace(run.entry.label))
    data = pace.data.model_copy(update={"folder": recipe.base.data.folder, "fold": run.fold})
    own = recipe.config(run)  # other models that it learns from may be others in each fold
    return pace.model_copy(update={"data": data, "seed": run.seed, "start": own.start, "teach": own.teach})


def _plan(recipe: Recipe, run: Run, places: Places) -> TrainConfig | Failure:
    """What the plan makes of the entry on this machine now; its folder is a passing one."""
    folder = places.out / "runs" / f"{run.entry.label}-pace"
    shutil.rmtree(folder, ignore_errors=True)
    config = places.config(f"{run.entry.label}-pace")
    recipe.config(run).write(config)
    words = ["--config", str(config), "--split", str(places.out / SPLIT_FILE), "--plan-only"]
    log = places.out / "logs" / f"{run.entry.label}-pace.log"
    failure = launched(
        run.name, ["train", str(recipe.base.data.folder), "--out", str(folder), *words], log, recipe.threads
    )
    if failure is not None:
        return failure
    steps = Plan.read(folder / PLAN).steps
    return TrainConfig.read(folder / CONFIG).model_copy(update={"steps": steps, "budget_s": None, "epochs": None})
