"""A budget is time where the comparison began: who comes later, on whatever machine, gets the same by ratio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sononerve.train.compare import paces
from sononerve.train.compare.entries import parse_entries
from sononerve.train.compare.paces import paced, set_paces
from sononerve.train.compare.places import Places
from sononerve.train.compare.recipe import Recipe, Run
from sononerve.train.config import TrainConfig

Make = Callable[..., TrainConfig]
Steps = dict[str, int]


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """How many steps of each entry fit into the budget on this machine now; counts what was asked."""
    fitting: Steps = {}

    def plan(recipe: Recipe, run: Run, places: Places) -> TrainConfig:
        return recipe.config(run).model_copy(update={"steps": fitting[run.entry.label], "budget_s": None})

    monkeypatch.setattr(paces, "_plan", plan)
    return fitting


def begun(tiny: Make, models: str, **changes: object) -> Recipe:
    base = tiny(**{"steps": None, "budget_s": 60.0} | changes)
    return Recipe(base=base, entries=parse_entries([models]), seeds=(0, 1))


def steps_of(recipe: Recipe, out: Path) -> Steps:
    """The steps that every run would take, by label; all folds and seeds of a label alike."""
    found: dict[str, set[int | None]] = {}
    for run in recipe.runs(folds=2):
        config = paced(recipe, run, Places(out))
        assert (config.seed, config.data.fold) == (run.seed, run.fold)
        found.setdefault(run.entry.label, set()).add(config.steps)
    return {label: int(steps.pop() or 0) for label, steps in found.items() if len(steps) == 1}


def test_each_entry_is_planned_once_and_its_folds_and_seeds_are_alike(tiny: Make, speed: Steps, tmp_path: Path) -> None:
    recipe = begun(tiny, "unet,slow=unet:network.deep_supervision=1")
    speed |= {"unet": 100, "slow": 60}
    assert set_paces(recipe, list(recipe.runs(2)), Places(tmp_path)) == []
    speed.clear()
    assert set_paces(recipe, list(recipe.runs(2)), Places(tmp_path)) == []  # nothing is planned again
    assert steps_of(recipe, tmp_path) == {"unet": 100, "slow": 60}


def test_an_entry_that_comes_later_on_a_slower_machine_gets_the_time_that_the_first_one_had(
    tiny: Make, speed: Steps, tmp_path: Path
) -> None:
    recipe = begun(tiny, "unet,second=unet:network.depth=2")
    speed |= {"unet": 100, "second": 80}
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    speed |= {"unet": 50, "second": 80, "later": 20}
    recipe = begun(tiny, "unet,second=unet:network.depth=2,later=unet:network.deep_supervision=1")
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    assert steps_of(recipe, tmp_path) == {"unet": 100, "second": 80, "later": 40}


def test_where_steps_were_asked_for_nothing_is_scaled(tiny: Make, speed: Steps, tmp_path: Path) -> None:
    recipe = begun(tiny, "unet", budget_s=None, steps=7)
    speed |= {"unet": 7}
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    speed |= {"unet": 70, "later": 7}
    recipe = begun(tiny, "unet,later=unet:network.deep_supervision=1", budget_s=None, steps=7)
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    assert steps_of(recipe, tmp_path) == {"unet": 7, "later": 7}


def test_an_entry_that_says_its_steps_has_them_and_times_nobody_else(tiny: Make, speed: Steps, tmp_path: Path) -> None:
    recipe = begun(tiny, "said=unet:steps=30,unet")
    speed |= {"said": 30, "unet": 100}
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    speed |= {"unet": 50, "later": 20, "also-said": 7}
    recipe = begun(tiny, "said=unet:steps=30,unet,later=unet:network.depth=2,also-said=unet:steps=7")
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    assert steps_of(recipe, tmp_path) == {"said": 30, "unet": 100, "later": 40, "also-said": 7}


def test_the_pace_tells_no_place_of_this_machine(tiny: Make, speed: Steps, tmp_path: Path) -> None:
    recipe = begun(tiny, "unet")
    speed |= {"unet": 3}
    set_paces(recipe, list(recipe.runs(1)), Places(tmp_path))
    assert str(recipe.base.data.folder.parent) not in (tmp_path / "paces" / "unet.yaml").read_text()
    assert paced(recipe, next(recipe.runs(1)), Places(tmp_path)).data.folder == recipe.base.data.folder


def test_a_teacher_is_that_of_the_run_s_fold(tiny: Make, speed: Steps, tmp_path: Path) -> None:
    recipe = begun(tiny, "small=unet:teach.models=['big-fold{fold}-seed{seed}']")
    speed |= {"small": 7}
    runs = list(recipe.runs(2))
    set_paces(recipe, runs, Places(tmp_path))
    told = [paced(recipe, run, Places(tmp_path)).teach.models for run in runs]
    assert told == [(f"big-fold{run.fold}-seed{run.seed}",) for run in runs]
