"""A network may learn from what other models answer; it is never scored on what those have seen."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
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
from sononerve.train.export import configured
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
    """A smaller network that learned from the teacher nearly alone, on its frames and split."""
    out = tmp_path_factory.mktemp("taught") / "run"
    train(tiny(**LONG, canvas={}, teach={"models": [str(teacher)], "share": 0.99}), out, teacher / "split.json")
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


def test_several_teachers_answer_with_the_mean_of_their_calibrated_probabilities(
    teacher: Path, tiny: Make, phantom_folder: Path, tmp_path: Path
) -> None:
    train(tiny(steps=1, seed=5), tmp_path / "other", teacher / "split.json")
    cooled = [
        configured(Bundle.open(run), {"temperature": {"mask": t}})
        for run, t in ((teacher, 3.0), (tmp_path / "other", 0.5))
    ]
    both = build_teacher(cooled, load_dataset(phantom_folder))
    assert both is not None
    frames = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = [restore(bundle)[0](frames).logits for bundle in cooled]
    expected = (torch.sigmoid(logits[0] / 3) + torch.sigmoid(logits[1] / 0.5)) / 2
    torch.testing.assert_close(both(frames), expected)
    assert not torch.allclose(both(frames), torch.sigmoid(logits[0] / 3), atol=0.02)


def test_a_teacher_that_normalises_by_fixed_numbers_sees_what_it_has_learned_to_see(
    tiny: Make, phantom_folder: Path, tmp_path: Path
) -> None:
    train(tiny(canvas={"longest": 32, "normalisation": "fixed"}), tmp_path / "run")
    bundle, dataset = Bundle.open(tmp_path / "run"), load_dataset(phantom_folder)
    network, own = restore(bundle)
    other = own.model_copy(update={"mean": own.mean + 20, "std": own.std * 2})
    teacher = build_teacher([bundle], dataset, other)
    assert teacher is not None
    canvas = own.frame(dataset[0].frame.pixels)
    with torch.no_grad():
        expected = network(torch.from_numpy(own.normalise(canvas))[None, None]).probabilities()
    found = teacher(torch.from_numpy(other.normalise(canvas))[None, None])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("master", "pupil"), [(5, 2), (2, 5)])
def test_teacher_and_network_may_need_sides_of_other_multiples(
    tiny: Make, tmp_path: Path, master: int, pupil: int
) -> None:
    frames = write(PhantomConfig(subjects=6, frames=2, height=44, width=64, vessels=False), tmp_path / "frames")
    data = {"data": {"folder": frames}, "steps": 1}
    train(tiny(**data, network={"width": 4, "depth": master, "fold": 1}), tmp_path / "teacher")
    told = {
        "network": {"width": 4, "depth": pupil, "fold": 1},
        "canvas": {},
        "teach": {"models": [str(tmp_path / "teacher")]},
    }
    train(tiny(**data, **told), tmp_path / "run", tmp_path / "teacher" / "split.json")
    _, preprocess = restore(Bundle.open(tmp_path / "run"))
    assert (preprocess.height % 16, preprocess.width) == (0, 32)


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
    assert f"taught by: run, {master.identity}; 99% of the loss" in bundle.files[CARD].decode()
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


def moved(run: Path, names: Sequence[str], file: Path) -> Path:
    """The run's split, the groups of these frames and the first one of the fit part having changed places."""
    division = Split.read(run / "split.json")
    fold, groups = division.fold(0), division.groups
    part = "test" if names[0] in fold.test else "tune"
    every = (*fold.fit, *fold.part(part))
    fit = {groups[name] for name in fold.fit} - {groups[fold.fit[0]]} | {groups[name] for name in names}
    told = {
        "fit": tuple(name for name in every if groups[name] in fit),
        part: tuple(name for name in every if groups[name] not in fit),
    }
    division.model_copy(update={"folds": (fold.model_copy(update=told),)}).write(file)
    return file


def test_teachers_that_together_saw_all_that_is_held_out_are_refused(tiny: Make, teacher: Path, tmp_path: Path) -> None:
    division = Split.read(teacher / "split.json")
    test = division.fold(0).test
    first = [name for name in test if division.groups[name] == division.groups[test[0]]]
    rest = [name for name in test if name not in first]
    assert rest
    runs = []
    for name, frames in (("a", first), ("b", rest)):
        train(tiny(steps=1), tmp_path / name, moved(teacher, frames, tmp_path / f"{name}.json"))
        runs.append(str(tmp_path / name))
    with pytest.raises(
        InputError, match=r"--teacher .*a/bundle, --teacher .*b/bundle: was trained on all \d+ frames of the test"
    ):
        train(tiny(canvas={}, teach={"models": runs}), tmp_path / "run", teacher / "split.json")
    assert not (tmp_path / "run").exists()


def test_a_teacher_fitted_to_all_that_thresholds_are_chosen_on_is_refused(
    tiny: Make, teacher: Path, tmp_path: Path
) -> None:
    tune = Split.read(teacher / "split.json").fold(0).tune
    train(tiny(steps=1), tmp_path / "a", moved(teacher, tune, tmp_path / "a.json"))
    with pytest.raises(InputError, match=r"was trained on all \d+ frames of the tune part; give the split"):
        train(tiny(canvas={}, teach={"models": [str(tmp_path / "a")]}), tmp_path / "run", teacher / "split.json")


def test_a_run_that_was_begun_goes_on_with_the_same_teacher_alone(tiny: Make, teacher: Path, tmp_path: Path) -> None:
    shutil.copytree(teacher, tmp_path / "teacher")
    config = tiny(canvas={}, steps=2, teach={"models": [str(tmp_path / "teacher")]})
    train(config, tmp_path / "run", teacher / "split.json")
    train(config, tmp_path / "run", resume=True)
    shutil.rmtree(tmp_path / "teacher")
    train(tiny(steps=1), tmp_path / "teacher", teacher / "split.json")
    with pytest.raises(InputError, match=r"was begun with [0-9a-f]{12} to learn from.*put back what was there"):
        train(config, tmp_path / "run", resume=True)


def test_a_teacher_of_another_canvas_or_other_classes_is_refused(tiny: Make, teacher: Path, tmp_path: Path) -> None:
    teach = {"models": [str(teacher)]}
    with pytest.raises(InputError, match=r"sees 32 pixels of the frame.*, and the training 64 .*; leave --size out"):
        train(tiny(canvas={"longest": 64}, teach=teach), tmp_path / "run", teacher / "split.json")
    with pytest.raises(InputError, match=r"and the training 32 .* by fixed; .*canvas.normalisation=frame"):
        train(tiny(canvas={"normalisation": "fixed"}, teach=teach), tmp_path / "run", teacher / "split.json")
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
