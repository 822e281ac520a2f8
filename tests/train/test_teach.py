"""A network may learn from what other models answer; it is never scored on what those have seen."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
import torch
from safetensors.torch import load_file

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.data.split import Split
from sononerve.errors import InputError
from sononerve.evaluate.run import scope_of
from sononerve.lightning import LightningModule, Trainer
from sononerve.runtime.bundle import CARD, CONFIG, Bundle
from sononerve.runtime.predictor import Predictor
from sononerve.train.callbacks import SaveState
from sononerve.train.config import TrainConfig
from sononerve.train.restore import restore
from sononerve.train.run import train
from sononerve.train.teach import build_teacher

LONG: dict[str, object] = {"steps": 100, "seed": 5, "optimiser": {"learning_rate": 1e-2}}

Make = Callable[..., TrainConfig]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def teacher(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the phantom whose answers are far from those of a network that has just begun."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    train(tiny(steps=40, network={"width": 8, "depth": 3}), out)
    return out


@pytest.fixture(scope="module")
def taught(tiny: Make, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smaller network that learned from the teacher alone, on its frames and split."""
    out = tmp_path_factory.mktemp("taught") / "run"
    train(tiny(**LONG, canvas={}, teach={"models": [str(teacher)], "share": 1.0}), out, teacher / "split.json")
    return out


def distance(one: Path, other: Path, dataset: Dataset) -> float:
    """How far the answers of two runs are apart, in the mean of some frames' pixels."""
    predictors = [Predictor(Bundle.open(run)) for run in (one, other)]
    frames = [dataset[i].frame for i in range(0, len(dataset), 4)]
    return mean(
        float(abs(a.predict(f).probabilities - b.predict(f).probabilities).mean())
        for a, b in [predictors]
        for f in frames
    )


def test_it_comes_nearer_to_the_teacher_than_labels_alone_would_bring_it(
    tiny: Make, teacher: Path, taught: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    train(tiny(**LONG), tmp_path / "alone", teacher / "split.json")
    dataset = load_dataset(phantom_folder)
    assert distance(taught, teacher, dataset) < 0.6 * distance(tmp_path / "alone", teacher, dataset)
    told = list(csv.DictReader((taught / "log.csv").read_text().splitlines()))
    assert float(told[-1]["teacher_loss"]) < float(told[0]["teacher_loss"])


def test_several_teachers_answer_with_their_mean(teacher: Path, taught: Path, phantom_folder: Path) -> None:
    dataset = load_dataset(phantom_folder)
    both = build_teacher([Bundle.open(teacher), Bundle.open(taught)], dataset)
    assert both is not None
    frame = dataset[0].frame
    means = [Predictor(Bundle.open(run)).predict(frame).probabilities for run in (teacher, taught)]
    _, preprocess = restore(Bundle.open(teacher))
    canvas = torch.from_numpy(preprocess.normalise(preprocess.frame(frame.pixels)))[None, None]
    on_canvas = both(canvas)[0].numpy()
    assert on_canvas.mean() == pytest.approx((means[0].mean() + means[1].mean()) / 2, abs=0.01)
    assert not both.networks[0].training


class PulledPlugError(Exception):
    """Stands for the end of the process."""


def test_the_state_of_a_stopped_training_holds_no_teacher_and_it_arrives_where_it_would_have(
    tiny: Make, teacher: Path, tmp_path: Path, bundled: Callable[[Path], dict[str, torch.Tensor]]
) -> None:
    config = tiny(canvas={}, steps=8, rounds=4, teach={"models": [str(teacher)]})
    train(config, tmp_path / "whole", teacher / "split.json")

    original = SaveState.on_train_epoch_end

    def stop(self: SaveState, trainer: Trainer, pl_module: LightningModule) -> None:
        original(self, trainer, pl_module)
        if trainer.current_epoch == 1:
            raise PulledPlugError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SaveState, "on_train_epoch_end", stop)
        with pytest.raises(PulledPlugError):
            train(config, tmp_path / "stopped", teacher / "split.json")
    assert not [name for name in load_file(tmp_path / "stopped" / "last.safetensors") if "teacher" in name]
    train(config, tmp_path / "stopped", resume=True)
    assert len((tmp_path / "stopped" / "log.csv").read_text().splitlines()) == 1 + 4
    for name, tensor in bundled(tmp_path / "whole").items():
        assert torch.equal(bundled(tmp_path / "stopped")[name], tensor), name


def test_the_bundle_tells_whom_it_learned_from_and_not_where_that_lay(teacher: Path, taught: Path) -> None:
    bundle, master = Bundle.open(taught), Bundle.open(teacher)
    assert [one.identity for one in bundle.config.starts] == [master.identity]
    assert f"taught by: run, {master.identity}; 100% of the loss" in bundle.files[CARD].decode()
    assert str(teacher.parent) not in bundle.files[CONFIG].decode()


def test_frames_that_the_teacher_saw_are_never_scored(
    tiny: Make, teacher: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    others = write(PhantomConfig(subjects=6, frames=2, height=64, width=64, vessels=False, seed=7), tmp_path / "others")
    config = tiny(data={"folder": others}, canvas={}, steps=1, teach={"models": [str(teacher)]})
    train(config, tmp_path / "run")
    dataset = load_dataset(phantom_folder)
    held_out = Split.read(teacher / "split.json").indices(dataset, 0, "test")
    assert set(scope_of(Bundle.open(tmp_path / "run"), dataset).indices) == set(held_out)


def test_a_teacher_that_saw_all_that_is_held_out_is_refused(tiny: Make, teacher: Path, tmp_path: Path) -> None:
    division = Split.read(teacher / "split.json")
    fold = division.fold(0)
    swapped = fold.model_copy(update={"fit": fold.test, "test": fold.fit})
    division.model_copy(update={"folds": (swapped,)}).write(tmp_path / "swapped.json")
    with pytest.raises(InputError, match=r"--teacher .*: was trained on all .* frames of the test part"):
        train(tiny(canvas={}, teach={"models": [str(teacher)]}), tmp_path / "run", tmp_path / "swapped.json")


def test_a_teacher_of_another_canvas_or_other_classes_is_refused(tiny: Make, teacher: Path, tmp_path: Path) -> None:
    teach = {"models": [str(teacher)]}
    with pytest.raises(InputError, match=r"sees frames as 32 x 32 .*, and the training as 64 x 64"):
        train(tiny(canvas={"longest": 64}, teach=teach), tmp_path / "run", teacher / "split.json")
    frames = write(PhantomConfig(subjects=6, frames=2, height=64, width=64, seed=7), tmp_path / "two")
    with pytest.raises(InputError, match=r"knows nerve; expected a teacher of nerve, vessel"):
        train(tiny(data={"folder": frames}, canvas={}, teach=teach), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_teachers_are_told_on_the_command_line(cli: Cli, teacher: Path, phantom_folder: Path, tmp_path: Path) -> None:
    settings = ("--set", "steps=2", "--set", "network.width=4", "--precision", "32", "--workers", "0")
    places = ("--split", teacher / "split.json", "--out", tmp_path / "run")
    code, _, err = cli("train", phantom_folder, "--teacher", teacher, *places, *settings)
    assert code == 0, err
    assert "taught by: run" in Bundle.open(tmp_path / "run").files[CARD].decode()
