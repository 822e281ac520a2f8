"""From a budget, epochs or steps to a plan."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.module import Batch, as_batch
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.losses import DiceCrossEntropy
from sononerve.models import build
from sononerve.train import plan as planning
from sononerve.train.config import CanvasConfig, TrainConfig
from sononerve.train.plan import Plan, make_plan, plan_canvas

Make = Callable[..., TrainConfig]
FIT, TUNE = 100, 20


@pytest.fixture
def planned(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Plan on a machine that takes half a second per step."""
    monkeypatch.setattr(planning, "time_step", lambda *_, **__: 0.5)

    def plan(reserve_s: float = 0.0, **changes: object) -> Plan:
        config = tiny(**{"steps": None} | changes)
        model = build("unet", {"width": 4, "depth": 3}, 1)
        canvas = Preprocess(height=32, width=32)
        batch: Batch = as_batch(np.zeros((4, 32, 32), np.float32), np.zeros((4, 32, 32), np.uint8))
        return make_plan(config, canvas, model, DiceCrossEntropy(), batch, (FIT, TUNE), reserve_s)

    return plan


@pytest.mark.parametrize("budget_s", [60, 300, 1800, 7200])
@pytest.mark.parametrize("reserve_s", [0, 20])
def test_a_budget_is_filled_and_not_overrun(planned: Callable[..., Plan], budget_s: float, reserve_s: float) -> None:
    """Steps, looks at the tune part and the reserve take 75 to 95 % of the time asked for."""
    plan = planned(reserve_s, budget_s=budget_s)
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


def test_the_faster_precision_is_chosen_and_an_asked_one_kept(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"32": 1.0, "bf16": 0.4}
    monkeypatch.setattr(planning, "time_step", lambda *a, **_: seconds[a[3]])
    assert planned(precision="auto", steps=1).precision == "bf16"
    assert planned(precision="32", steps=1).precision == "32"
    seconds["bf16"] = 1.5
    found = planned(precision="auto", steps=1)
    assert (found.precision, found.step_s) == ("32", 1.0)


def test_timing_steps_leaves_the_model_as_it_was() -> None:
    model = build("unet", {"width": 4, "depth": 3}, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rng = np.random.default_rng(0)
    batch = as_batch(rng.normal(size=(2, 32, 32)).astype(np.float32), np.ones((2, 32, 32), np.uint8))
    assert planning.time_step(model, DiceCrossEntropy(), batch, "32", "cpu") > 0
    assert all((value == before[name]).all() for name, value in model.state_dict().items())


@pytest.fixture(scope="module")
def dataset(phantom_folder: Path) -> Dataset:
    return load_dataset(phantom_folder)


@pytest.mark.parametrize(
    ("sizes", "longest", "divisor", "canvas"),
    [
        ([(512, 534)] * 3, 256, 16, (240, 256)),
        ([(100, 100), (400, 200), (400, 200)], 256, 16, (256, 128)),
        ([(580, 420)] * 2, 128, 32, (128, 96)),
        ([(20, 1000)], 256, 16, (16, 256)),
        ([(64, 64)], 100, 16, (96, 96)),
    ],
)
def test_the_canvas_has_the_median_shape_in_multiples_of_the_divisor(
    dataset: Dataset, sizes: list[tuple[int, int]], longest: int, divisor: int, canvas: tuple[int, int]
) -> None:
    known = replace(dataset, sizes=np.array(sizes))
    found = plan_canvas(known, CanvasConfig(longest=longest), divisor)
    assert (found.height, found.width) == canvas


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
    without = [{k: v for k, v in whole.items() if k != name} for name in ("steps", "preprocess", "precision")]
    for told in itertools.chain(without, [whole | {"colour": "red"}]):
        (tmp_path / "plan.json").write_text(str(told).replace("'", '"').replace("None", "null"))
        with pytest.raises(InputError, match="not a plan"):
            Plan.read(tmp_path / "plan.json")


def test_the_canvas_takes_the_shape_of_the_scan_where_that_is_seen(data_folder):
    scan = np.random.default_rng(0).integers(60, 200, (40, 80), dtype=np.uint8)
    for i in range(3):
        data_folder.save(f"images/{i}.png", np.pad(scan, ((10, 30), (0, 0))))
        data_folder.mask(f"masks/{i}.png", size=(80, 80))
    dataset = load_dataset(data_folder.path)
    seen = plan_canvas(dataset, CanvasConfig(longest=64, region="scan"), 16)
    assert (seen.height, seen.width, seen.region) == (32, 64, "scan")
    whole = plan_canvas(dataset, CanvasConfig(longest=64), 16)
    assert (whole.height, whole.width, whole.region) == (64, 64, "frame")
