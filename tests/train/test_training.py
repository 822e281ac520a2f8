"""A whole training: what it leaves on disk, that it repeats itself, and how it says what stopped it."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from sononerve.data.augment import Augment
from sononerve.data.dataset import load_dataset
from sononerve.data.module import Batch
from sononerve.data.negatives import draw_crops
from sononerve.data.phantom import PhantomConfig, write
from sononerve.data.split import split
from sononerve.errors import InputError
from sononerve.runtime.bundle import CARD, Bundle
from sononerve.train.callbacks import BEST, LAST, LOG
from sononerve.train.checkpoint import SafetensorsIO
from sononerve.train.config import TrainConfig
from sononerve.train.plan import Plan
from sononerve.train.run import begin, train
from sononerve.train.task import Supervised, TrainingError

Weights = dict[str, torch.Tensor]
Make = Callable[..., TrainConfig]
Read = Callable[[Path], Weights]


@pytest.fixture(scope="module")
def run(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training of six steps."""
    out = tmp_path_factory.mktemp("training") / "run"
    train(tiny(), out)
    return out


def test_the_configuration_in_the_folder_repeats_the_training(
    run: Path, tiny: Make, bundled: Read, tmp_path: Path
) -> None:
    config = TrainConfig.read(run / "config.yaml")
    plan = Plan.read(run / "plan.json")
    told = {"steps": plan.steps, "rounds": plan.rounds, "strength": 1.0, "keep": "last"}
    assert config == tiny(canvas={"longest": 32, "region": "frame"}, **told)
    train(config, tmp_path / "again")
    first, second = bundled(run), bundled(tmp_path / "again")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_crops_with_a_nerve_and_without_it_are_cut_from_the_frames_to_fit_alone(tiny: Make, tmp_path: Path) -> None:
    began = begin(tiny(negatives={"share": 0.5, "sizes": (0.4,)}), tmp_path / "run")
    crops = began.varied.crops
    assert crops is not None
    assert len(crops) == len(draw_crops(began.fitted, began.config.negatives).chosen)
    assert [bool((crops[i][1] == 1).any()) for i in range(len(crops))] == [False, True] * (len(crops) // 2)
    train(began.config, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "bundle").is_dir()


def test_of_many_frames_only_some_give_crops(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sononerve.train.crops.MOST", 6)
    crops = begin(tiny(negatives={"share": 0.5, "sizes": (0.4,)}), tmp_path / "run").varied.crops
    assert crops is not None
    assert 0 < len(crops) <= 6


def test_where_no_frame_gives_a_crop_that_is_said(tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame gives a pair of crops, most often: nerve too large"):
        begin(tiny(negatives={"share": 0.5, "sizes": (0.05,)}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_interrupt_ends_the_training_as_one_and_the_next_is_not_ignored(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sononerve.train.task.Supervised.training_step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_termination_by_the_system_ends_with_its_status(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Supervised.training_step

    def terminated(task: Supervised, batch: Batch, batch_idx: int) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGTERM)
        return step(task, batch, batch_idx)

    monkeypatch.setattr(Supervised, "training_step", terminated)
    with pytest.raises(SystemExit) as ended:
        train(tiny(), tmp_path / "run")
    assert ended.value.code == 128 + signal.SIGTERM


@pytest.mark.parametrize("normalisation", ["frame", "fixed"])
def test_frames_from_the_cache_and_from_memory_give_the_same_weights(
    tiny: Make, phantom_folder: Path, bundled: Read, tmp_path: Path, normalisation: str
) -> None:
    for cache in (True, False):
        data = {"folder": phantom_folder, "cache": cache}
        train(tiny(data=data, canvas={"longest": 32, "normalisation": normalisation}), tmp_path / str(cache))
    stored, memory = bundled(tmp_path / "True"), bundled(tmp_path / "False")
    assert all(torch.equal(stored[name], memory[name]) for name in stored)


def test_another_seed_gives_other_weights(run: Path, tiny: Make, bundled: Read, tmp_path: Path) -> None:
    train(tiny(seed=1), tmp_path / "run")
    first, second = bundled(run), bundled(tmp_path / "run")
    assert not torch.equal(first["head.weight"], second["head.weight"])


def test_the_log_has_a_row_per_round_with_a_finite_loss_and_a_score(run: Path) -> None:
    with (run / LOG).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    assert all(0 <= float(row["tune_dice_nerve"]) <= 1 for row in rows)
    assert all(0 < float(row["waiting"]) < 1 for row in rows)
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == sorted(rates, reverse=True)


def test_the_bundle_says_which_frames_were_held_out_and_what_they_scored(run: Path) -> None:
    bundle = Bundle.open(run)
    told = yaml.safe_load(bundle.files["config.yaml"])
    assert told["classes"] == ["nerve"]
    assert Plan.model_validate(told["plan"]) == Plan.read(run / "plan.json")
    scores = json.loads(bundle.files["scores.json"])
    own = json.loads((run / "scores.json").read_text())
    assert scores["overall"]["classes"]["nerve"]["scores"] == own["overall"]["classes"]["nerve"]["scores"]
    assert scores["split"].startswith("by subject")
    held_out = json.loads(bundle.files["split.json"])["folds"][0]["test"]
    assert scores["overall"]["frames"] == len(held_out) > 0
    assert "not a medical device" in bundle.files["card.md"].decode().lower()


def test_nothing_in_the_run_is_a_pickle(run: Path) -> None:
    files = [path for path in run.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".yaml", ".json", ".csv", ".safetensors", ".onnx", ".md"}
    for path in files:
        if path.suffix == ".safetensors":
            length = int.from_bytes(path.read_bytes()[:8], "little")
            assert isinstance(json.loads(path.read_bytes()[8 : 8 + length]), dict)


def test_the_weights_in_the_bundle_are_the_averaged_ones_with_their_buffers(
    tiny: Make, bundled: Read, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(tiny(keep="last", network={"width": 4, "depth": 3, "norm": "batch"}), run)
    state = SafetensorsIO().load_checkpoint(run / LAST)
    averaged, last = state["state_dict"], state["current_model_state"]
    assert isinstance(averaged, dict)
    assert isinstance(last, dict)
    for name, tensor in bundled(run).items():
        assert torch.equal(tensor, averaged[f"model.{name}"])
    for name in ("model.head.weight", "model.encoder.0.1.running_mean"):
        assert not torch.equal(averaged[name], last[name])


def test_numbers_that_are_none_stop_the_training_and_name_step_and_fix(tiny: Make, tmp_path: Path) -> None:
    config = tiny(steps=20, optimiser={"learning_rate": 1e9, "warmup": 0})
    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan.*weights grew.*lower --learning-rate"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "bundle").exists()


def test_an_error_in_a_worker_is_shown_with_its_type_and_message(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = os.getpid()
    original = Augment.frame

    def fail_elsewhere(self: Augment, pixels: object, drawn: object) -> object:
        if os.getpid() != main:
            raise ZeroDivisionError("the gain of frame 7 is 0")
        return original(self, pixels, drawn)  # type: ignore[arg-type]

    monkeypatch.setattr(Augment, "frame", fail_elsewhere)
    with pytest.raises(ZeroDivisionError, match="the gain of frame 7 is 0"):
        train(tiny(workers=1), tmp_path / "run")


def test_a_worker_that_the_system_killed_is_named_with_a_way_out(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = os.getpid()
    original = Augment.frame

    def die_elsewhere(self: Augment, pixels: object, drawn: object) -> object:
        if os.getpid() != main:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, pixels, drawn)  # type: ignore[arg-type]

    monkeypatch.setattr(Augment, "frame", die_elsewhere)
    with pytest.raises(InputError, match=r"worker .* was killed.*--workers 0"):
        train(tiny(workers=1), tmp_path / "run")


def test_early_stopping_stops_and_keeps_the_best_round(tiny: Make, tmp_path: Path) -> None:
    """A learning rate of nearly nothing: the score of the first round is not beaten."""
    config = tiny(steps=30, patience=2, optimiser={"learning_rate": 1e-12})
    train(config, tmp_path / "run")
    with (tmp_path / "run" / LOG).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert (tmp_path / "run" / BEST).is_file()
    assert "at most 30 steps" in Bundle.open(tmp_path / "run").files[CARD].decode()


def test_the_best_round_on_the_tune_part_is_the_result_unless_the_last_is_asked_for(
    tiny: Make, bundled: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for keep in ("best", "last"):
        falling = (torch.tensor([[1.0 / look]]) for look in range(1, 100))
        monkeypatch.setattr("sononerve.train.task.dice_per_frame", lambda *_, falling=falling: next(falling))
        train(tiny(keep=keep), tmp_path / keep)
    assert SafetensorsIO().load_checkpoint(tmp_path / "best" / BEST)["global_step"] == 1
    best, last = bundled(tmp_path / "best"), bundled(tmp_path / "last")
    assert any(not torch.equal(best[name], last[name]) for name in best)
    assert not (tmp_path / "last" / BEST).exists()


def test_a_given_split_is_the_one_that_is_trained_and_scored_on(
    tiny: Make, phantom_folder: Path, tmp_path: Path
) -> None:
    division = split(load_dataset(phantom_folder), folds=3, seed=5)
    division.write(tmp_path / "split.json")
    config = tiny(steps=1, data={"folder": phantom_folder, "fold": 2})
    evaluation = train(config, tmp_path / "run", tmp_path / "split.json")
    assert {result.name for result in evaluation.results} == set(division.folds[2].test)


def test_data_that_cannot_be_read_leaves_no_folder(tiny: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is empty; expected"):
        train(tiny(data={"folder": tmp_path / "empty"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fewest_subjects_that_a_split_takes_can_be_trained_on(tiny: Make, tmp_path: Path) -> None:
    """Three subjects: one to fit, one to tune, one to test."""
    folder = write(PhantomConfig(subjects=3, frames=3, height=64, width=64, vessels=False), tmp_path / "three")
    evaluation = train(tiny(steps=1, data={"folder": folder}), tmp_path / "run")
    assert evaluation.scores.overall.subjects == 1


def test_two_devices_train_together_and_end_with_one_bundle(tiny: Make, tmp_path: Path) -> None:
    train(tiny(steps=2, devices=2), tmp_path / "run")
    assert Bundle.open(tmp_path / "run").config.classes == ("nerve",)
    assert Plan.read(tmp_path / "run" / "plan.json").steps == 2
