"""A refiner learned from out-of-fold answers: who answers for whom, stages that resume, one bundle at the end."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from sononerve.data.module import PlainFrames, VariedFrames
from sononerve.errors import InputError
from sononerve.models.refiner import Refined
from sononerve.runtime.bundle import WEIGHTS, Bundle
from sononerve.train import plan as planning
from sononerve.train import refine
from sononerve.train.begun import Begun
from sononerve.train.callbacks import LOG
from sononerve.train.config import RefineConfig, TrainConfig
from sononerve.train.plan import Plan
from sononerve.train.refine import COARSE, REFINER, STAGES
from sononerve.train.restore import restore
from sononerve.train.run import CONFIG, PLAN, begin, train

Make = Callable[..., TrainConfig]
Weights = dict[str, torch.Tensor]
Read = Callable[[Path], Weights]

REFINE = {"folds": 2, "inner": 0.5, "length": 0.75, "width": 4, "depth": 2}
AGAINST = {"weight": 0.5, "warm_up": 0, "head_start": 0.4, "ramp": 0, "width": 4, "layers": 2}
WITHOUT = ("without-1", "without-2")


class PulledPlugError(BaseException):
    """Ends a training where it stands."""


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / LOG).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def seen() -> dict[str, Begun]:
    """What each stage was trained with, by its name."""
    return {}


@pytest.fixture(scope="module")
def run(tiny: Make, tmp_path_factory: pytest.TempPathFactory, seen: dict[str, Begun]) -> Path:
    """A finished training with a refiner and an adversary."""
    out = tmp_path_factory.mktemp("refine") / "run"
    original = refine.learn

    def note(stage: Begun, folder: Path) -> Begun:
        seen[folder.name] = stage
        return original(stage, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refine, "learn", note)
        train(tiny(steps=8, refine=REFINE, adversary=AGAINST), out)
    return out


def test_every_frame_to_fit_is_answered_for_by_a_network_that_saw_nothing_of_its_group(
    run: Path, seen: dict[str, Begun]
) -> None:
    whole = seen[COARSE]
    groups = np.array([whole.division.groups[name] for name in whole.fitted.names])
    maps = seen[REFINER].varied.coarse
    assert maps is not None
    assert len(maps) == len(whole.fitted)
    for number, name in enumerate(WITHOUT):
        inner = seen[name]
        answered = maps.places[:, 0] == number
        fitted_to = {inner.division.groups[frame] for frame in inner.fitted.names}
        assert fitted_to
        assert fitted_to.isdisjoint(groups[answered])
        assert inner.varied.frames == len(inner.fitted) == (~answered).sum()
        for i in np.flatnonzero(answered):  # the answer is that network's, for that frame
            frame, _ = whole.varied.canvases[int(i)]
            trained_on = [inner.varied.canvases[k][0] for k in range(inner.varied.frames)]
            assert not any(np.array_equal(frame, other) for other in trained_on)
            one = PlainFrames(whole.varied.canvases, whole.plain.preprocess)[int(i)]
            with torch.no_grad():
                expected = inner.model.eval()(one.frames).probabilities()[0].numpy()
            np.testing.assert_allclose(maps[int(i)], expected, atol=1e-4)


def test_stages_take_their_stated_shares_and_log_their_losses(run: Path) -> None:
    steps = {folder.name: int(rows(folder)[-1]["step"]) for folder in (run / STAGES).iterdir()}
    assert steps == {"without-1": 4, "without-2": 4, COARSE: 8, REFINER: 6}
    assert Plan.read(run / PLAN).steps == 8
    for folder in (run / STAGES).iterdir():
        assert all(math.isfinite(float(row["loss"])) for row in rows(folder))
        assert ("adversarial_loss" in rows(folder)[0]) == (folder.name == REFINER)
    last = rows(run / STAGES / REFINER)[-1]
    assert math.isfinite(float(last["adversarial_loss"]))
    assert math.isfinite(float(last["discriminator_loss"]))


@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 39])
def test_a_stage_has_its_share_of_the_steps_however_few_rounds_there_are(run: Path, rounds: int) -> None:
    plan = Plan.read(run / PLAN).model_copy(update={"rounds": rounds, "steps": 20 * rounds})
    for share in (0.5, 0.75, 1.0):
        stage = refine.shorter(plan, share)
        assert stage.steps == pytest.approx(share * plan.steps, rel=0.1)
        assert stage.steps == stage.rounds * stage.steps_per_round


def test_the_bundle_is_network_and_refiner_in_one_and_the_network_is_as_it_was(
    run: Path, seen: dict[str, Begun], bundled: Read
) -> None:
    weights = bundled(run)
    coarse = {name.removeprefix("coarse."): t for name, t in weights.items() if name.startswith("coarse.")}
    assert all(torch.equal(coarse[name], tensor) for name, tensor in seen[COARSE].model.state_dict().items())
    assert weights["refiner.network.head.weight"].abs().max() > 0
    assert Plan.read(run / PLAN).parameters == sum(tensor.numel() for tensor in weights.values())
    assert Bundle.open(run).config.classes == ("nerve",)


@pytest.mark.parametrize("stage", ["without-2", REFINER])
def test_stopped_in_any_stage_it_resumes_to_the_same_weights(
    stage: str, run: Path, tiny: Make, bundled: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, again = tiny(steps=8, refine=REFINE, adversary=AGAINST), tmp_path / "run"
    original, begun = refine.learn, []

    def pull(run: Begun, folder: Path) -> Begun:
        begun.append(folder.name)
        if folder.name != stage:
            return original(run, folder)
        taken, item = 0, VariedFrames.__getitem__

        def stop(self: VariedFrames, key: tuple[int, int]) -> object:
            nonlocal taken
            taken += 1
            if taken == 10:
                raise PulledPlugError
            return item(self, key)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(VariedFrames, "__getitem__", stop)
            return original(run, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refine, "learn", pull)
        with pytest.raises(PulledPlugError):
            train(config, again)
    assert begun[-1] == stage
    assert len(rows(again / STAGES / stage)) == 2

    trained: list[str] = []
    monkeypatch.setattr(refine, "learn", lambda run, folder: (trained.append(folder.name), original(run, folder))[1])
    train(config, again, resume=True)
    assert not set(trained) & {name for name in WITHOUT if name != stage and name in begun}
    found, expected = bundled(again), bundled(run)
    assert found.keys() == expected.keys()
    assert not [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])]


def test_a_plan_pays_for_all_stages_from_one_budget(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "time_step", lambda *_, **__: 0.5)
    alone = begin(tiny(steps=None, budget_s=600), tmp_path / "alone").plan
    staged = begin(tiny(steps=None, budget_s=600, refine=REFINE), tmp_path / "staged").plan
    assert staged.step_s == pytest.approx(0.5 * (1 + 2 * 0.5 + 0.75))
    assert staged.steps == pytest.approx(alone.steps / 2.75, rel=0.05)


def test_the_canvas_suits_network_and_refiner(tiny: Make, tmp_path: Path) -> None:
    plan = begin(tiny(refine=REFINE | {"depth": 5}), tmp_path / "run").plan
    assert plan.preprocess.height % 32 == 0


def test_more_folds_than_groups_are_refused_with_the_number(tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"5 group\(s\) by subject to fit; a refiner with 9 inner folds needs as many"):
        train(tiny(refine=REFINE | {"folds": 9}), tmp_path / "run")


def test_without_folds_there_is_no_refiner_and_no_stage(tiny: Make, tmp_path: Path) -> None:
    assert RefineConfig().build(1, 0) is None
    assert RefineConfig().share == 1
    train(tiny(steps=1), tmp_path / "run")
    assert not (tmp_path / "run" / STAGES).exists()


def test_two_options_ask_for_both(
    cli: Callable[..., tuple[int, str, str]], phantom_folder: Path, tmp_path: Path
) -> None:
    small = ["--size", 32, "--batch", 4, "--precision", 32, "--set", "network.width=4", "--set", "steps=4"]
    asked = ["train", phantom_folder, "--adversary", "--refine", 2, *small, "--plan-only", "--out", tmp_path / "run"]
    status, _, told = cli(*asked)
    assert status == 0, told
    config = TrainConfig.read(tmp_path / "run" / CONFIG)
    assert config.adversary.weight > 0
    assert config.refine.folds == 2
    assert cli(*asked[:-1], tmp_path / "one", "--refine", 1)[0] == 2


def test_the_bundle_of_a_refined_network_becomes_that_network_again(run: Path) -> None:
    model, _ = restore(Bundle.open(run))
    assert isinstance(model, Refined)
    stored = load(Bundle.open(run).files[WEIGHTS])
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
