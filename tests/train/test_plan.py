"""From a budget, epochs or steps to a plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.module import Batch, as_batch
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.losses import DiceCrossEntropy
from sononerve.models import build
from sononerve.train import plan as planning
from sononerve.train.choose import Choices
from sononerve.train.config import TrainConfig
from sononerve.train.facts import Facts
from sononerve.train.plan import Plan, make_plan
from sononerve.train.setup import Setup

Make = Callable[..., TrainConfig]
FIT, TUNE = 100, 20
FACTS = Facts(
    frames=FIT,
    frame_shape=(40, 40),
    scan_shape=(40, 40),
    scan_share=1,
    empty=0,
    nerve_px=8,
    contrast=1,
    flat=0,
    tune_frames=20,
    tune_groups=5,
)


@pytest.fixture
def planned(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Plan on a machine that takes half a second per step."""
    monkeypatch.setattr(planning, "time_step", lambda *_, **__: 0.5)

    def plan(reserve_s: float = 0.0, tune: int = TUNE, **changes: object) -> Plan:
        config = tiny(**{"steps": None} | changes)
        model = build("unet", {"width": 4, "depth": 3}, 1)
        choices = Choices(
            region="frame",
            longest=32,
            batch=config.batch or 16,
            strength=1,
            keep="best",
            precision="32",
            accelerator="cpu",
            network={},
            reasons=(),
        )
        setup = Setup(facts=FACTS, warnings=(), choices=choices, preprocess=Preprocess(height=32, width=32))
        batch: Batch = as_batch(np.zeros((4, 32, 32), np.float32), np.zeros((4, 32, 32), np.uint8))
        return make_plan(config, setup, model, DiceCrossEntropy(), batch, (FIT, tune), reserve_s)

    return plan


@pytest.mark.parametrize("budget_s", [60, 300, 1800, 7200])
@pytest.mark.parametrize("reserve_s", [0, 20])
@pytest.mark.parametrize("tune", [TUNE, 300])
def test_a_budget_is_filled_and_not_overrun(
    planned: Callable[..., Plan], budget_s: float, reserve_s: float, tune: int
) -> None:
    """Steps, looks at the tune part and the reserve take 75 to 95 % of the time asked for."""
    plan = planned(reserve_s, tune, budget_s=budget_s)
    taken = plan.steps * plan.step_s + plan.rounds * plan.look_s + reserve_s
    assert 0.75 * budget_s <= taken <= 0.95 * budget_s


def test_a_budget_that_is_too_short_still_makes_a_step(planned: Callable[..., Plan]) -> None:
    plan = planned(100.0, budget_s=5)
    assert (plan.steps, plan.rounds) == (1, 1)


@pytest.mark.parametrize("epochs", [1, 3, 50])
def test_epochs_are_passes_over_the_fit_part(planned: Callable[..., Plan], epochs: int) -> None:
    plan = planned(epochs=epochs, batch=4)
    asked = epochs * FIT / 4
    assert asked <= plan.steps <= asked * (1 + 1 / 40) + 1
    assert plan.budget_s is None


def test_two_devices_share_an_epoch(planned: Callable[..., Plan]) -> None:
    assert planned(epochs=4, batch=5, devices=2).steps == 40


@pytest.mark.parametrize("steps", [1, 39, 40, 41, 1000])
def test_steps_are_whole_rounds_of_at_most_forty(planned: Callable[..., Plan], steps: int) -> None:
    plan = planned(steps=steps)
    assert plan.rounds * plan.steps_per_round == plan.steps
    assert steps <= plan.steps < steps + max(1, plan.steps_per_round)
    assert plan.rounds <= 40


def test_a_plan_that_is_repeated_has_as_many_looks_and_the_same_schedule(planned: Callable[..., Plan]) -> None:
    first = planned(budget_s=300, tune=2000)
    assert first.rounds < 40
    again = planned(steps=first.steps, rounds=first.rounds, tune=2000)
    assert (again.steps, again.rounds) == (first.steps, first.rounds)


@pytest.mark.parametrize("length", [{"steps": 100}, {"epochs": 50}, {"budget_s": 300}])
def test_no_more_looks_are_taken_than_asked_for(planned: Callable[..., Plan], length: dict[str, object]) -> None:
    plan = planned(rounds=7, **length)
    assert (plan.rounds, plan.steps % 7) == (7, 0)


def test_there_are_no_more_looks_than_steps(planned: Callable[..., Plan]) -> None:
    plan = planned(steps=3, rounds=40)
    assert (plan.steps, plan.rounds) == (3, 3)


def test_a_plan_comes_back_from_its_file(planned: Callable[..., Plan], tmp_path: Path) -> None:
    plan = planned(steps=7)
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"steps": 0}'])
def test_a_file_that_is_no_plan_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(InputError, match=r"plan\.json: not a plan"):
        Plan.read(tmp_path / "plan.json")


def test_a_plan_with_a_field_missing_or_unknown_is_refused(planned: Callable[..., Plan], tmp_path: Path) -> None:
    whole = planned(steps=7).model_dump(mode="json")
    without = [{k: v for k, v in whole.items() if k != name} for name in ("steps", "preprocess", "choices")]
    for told in itertools.chain(without, [whole | {"colour": "red"}]):
        (tmp_path / "plan.json").write_text(str(told).replace("'", '"').replace("None", "null"))
        with pytest.raises(InputError, match="not a plan"):
            Plan.read(tmp_path / "plan.json")
