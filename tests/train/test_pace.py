"""A budget planned in a busy moment: the plan is made again when the training shows how fast the machine is."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

import sononerve.train.plan as planning
from sononerve.lightning import LightningModule, Trainer
from sononerve.train.callbacks import LOG
from sononerve.train.config import TrainConfig
from sononerve.train.pace import PaceError, PaceWatch
from sononerve.train.plan import Plan
from sononerve.train.run import PLAN, begin, train

Make = Callable[..., TrainConfig]
Read = Callable[[Path], dict[str, torch.Tensor]]


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the timings of a step are to say, one after the other."""

    def say(*seconds: float) -> None:
        left = iter(seconds)
        monkeypatch.setattr(planning, "time_step", lambda *_, **__: next(left))

    return say


def test_steps_planned_in_a_busy_moment_are_planned_again(
    timed: Callable[..., None], tiny: Make, bundled: Read, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    timed(10.0, 5.0, 5.0)
    train(tiny(steps=None, budget_s=120), tmp_path / "run")
    assert "plan again: a step takes 0." in capsys.readouterr().err
    plan = Plan.read(tmp_path / "run" / PLAN)
    assert plan.step_s == 5
    assert 12 <= plan.steps <= 18  # of some 85 s that are left
    rows = list(csv.DictReader((tmp_path / "run" / LOG).open()))
    assert [int(row["round"]) for row in rows] == list(range(1, plan.rounds + 1))
    train(TrainConfig.read(tmp_path / "run" / "config.yaml"), tmp_path / "again")
    first, second = bundled(tmp_path / "run"), bundled(tmp_path / "again")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_machine_that_is_hardly_faster_than_planned_keeps_its_plan(
    timed: Callable[..., None], tiny: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    timed(10.0)
    begin(tiny(steps=None, budget_s=120), tmp_path / "run")
    plan = Plan.read(tmp_path / "run" / PLAN)
    real = {"step_s": 0.001, "look_s": 0.001}  # as if this is what had been timed
    plan.model_copy(update=real).write(tmp_path / "run" / PLAN)
    train(tiny(steps=None, budget_s=120), tmp_path / "run", resume=True)
    assert "plan again" not in capsys.readouterr().err
    assert Plan.read(tmp_path / "run" / PLAN).steps == plan.steps


@pytest.mark.parametrize(("after", "again"), [(1, True), (15, False)])
def test_a_plan_is_made_again_only_where_more_steps_are_won_than_lost(
    after: int, again: bool, timed: Callable[..., None], tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(10.0)
    begin(tiny(steps=None, budget_s=120), tmp_path / "run")
    plan = Plan.read(tmp_path / "run" / PLAN).model_copy(
        update={"steps": 33, "rounds": 33, "step_s": 1.0, "look_s": 0.2}
    )
    watch, clock = PaceWatch(plan), iter([0.0, *range(1, after + 1), after + 0.5])
    monkeypatch.setattr("sononerve.train.pace.time", SimpleNamespace(monotonic=lambda: next(clock)))
    watch.on_train_start(cast(Trainer, None), cast(LightningModule, None))
    with pytest.raises(PaceError) if again else nullcontext():
        for number in range(after + 1):  # the last round takes half of the time of those before
            watch.on_train_epoch_end(cast(Trainer, SimpleNamespace(current_epoch=number)), cast(LightningModule, None))


def test_a_training_that_goes_on_keeps_its_plan(
    timed: Callable[..., None], tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(10.0)
    config = tiny(steps=None, budget_s=120)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("sononerve.train.pace.PaceWatch.on_train_epoch_end", lambda *_: None)
        patch.setattr("sononerve.train.callbacks.SaveState.on_train_end", _interrupt)
        train(config, tmp_path / "run")
    planned = Plan.read(tmp_path / "run" / PLAN)
    train(config, tmp_path / "run", resume=True)
    assert Plan.read(tmp_path / "run" / PLAN) == planned


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
