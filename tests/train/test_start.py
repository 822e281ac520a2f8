"""A training may begin with a model, and is never scored on what that one has seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from sononerve.data.dataset import load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.data.split import Fold, Split
from sononerve.errors import InputError
from sononerve.evaluate.run import scope_of
from sononerve.models import build
from sononerve.runtime import installed
from sononerve.runtime.bundle import CARD, CONFIG, WEIGHTS, Bundle, zip_bundle
from sononerve.train.config import TrainConfig
from sononerve.train.ensemble import join
from sononerve.train.export import configured
from sononerve.train.restore import restore
from sononerve.train.run import begin, train
from sononerve.train.start import draw_back, load_start, started

Make = Callable[..., TrainConfig]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def first(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the phantom, with its split."""
    out = tmp_path_factory.mktemp("first") / "run"
    train(tiny(), out)
    return out


@pytest.fixture(scope="module")
def other_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of subjects that the first run has not seen."""
    config = PhantomConfig(subjects=6, frames=2, height=64, width=64, vessels=False, seed=7)
    return write(config, tmp_path_factory.mktemp("others") / "frames")


@pytest.fixture(scope="module")
def second(tiny: Make, first: Path, other_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that begins with the first, and learns nothing to speak of."""
    out = tmp_path_factory.mktemp("second") / "run"
    slow = {"learning_rate": 1e-9, "weight_decay": 0.0}
    data = {"folder": other_people}
    config = tiny(data=data, start=str(first), network={}, canvas={}, steps=1, optimiser=slow)
    train(config, out)
    return out


def test_it_begins_with_the_network_the_canvas_and_the_weights(first: Path, second: Path) -> None:
    before, canvas = restore(Bundle.open(first))
    after, same = restore(Bundle.open(second))
    assert same == canvas
    assert after.state_dict().keys() == before.state_dict().keys()
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, atol=1e-6, rtol=0)


def test_drawn_back_it_is_the_mean_of_what_it_was_and_what_it_learned(tiny: Make, first: Path) -> None:
    """Between both by the share; what answers for a class that the first does not know stays as it was learned."""
    start = Bundle.open(first)
    config = started(tiny(start=str(first), network={}, canvas={}), start)
    before, model = restore(start)[0].state_dict(), build(config.model, config.network, 2)
    learned = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    draw_back(model, start, config, ("vessel", "nerve"), 0.25)
    for name, drawn in model.state_dict().items():
        own, known = learned[name], before[name]
        fresh = len(own) - len(known) if own.ndim else 0  # rows of the class that is new, the first
        assert torch.equal(drawn[:fresh], own[:fresh]) if fresh else True
        if own.is_floating_point():
            torch.testing.assert_close(drawn[fresh:], 0.75 * own[fresh:] + 0.25 * known)


def test_a_training_stays_near_what_it_begins_with_as_far_as_it_is_told(
    tiny: Make, first: Path, other_people: Path, tmp_path: Path
) -> None:
    """Trained alike, with nothing and with half of the start kept: the second lies half-way."""
    weights = []
    for share in (0.0, 0.5):
        told = {
            "data": {"folder": other_people},
            "start": str(first),
            "start_share": share,
            "network": {},
            "canvas": {},
        }
        train(tiny(steps=3, seed=2, **told), tmp_path / str(share))
        weights.append(restore(Bundle.open(tmp_path / str(share)))[0].state_dict())
    for name, known in restore(Bundle.open(first))[0].state_dict().items():
        if known.is_floating_point():
            torch.testing.assert_close(weights[1][name], (weights[0][name] + known) / 2, atol=1e-5, rtol=1e-4)


def test_nothing_of_a_start_stays_where_a_class_is_new(tiny: Make, first: Path, tmp_path: Path) -> None:
    frames = write(PhantomConfig(subjects=6, frames=2, height=64, width=64, vessels=True, seed=8), tmp_path / "frames")
    data = {"folder": frames, "classes": ("nerve", "vessel")}
    run = begin(tiny(data=data, start=str(first), network={}, canvas={}), tmp_path / "run")
    assert run.dataset.classes == ("nerve", "vessel")
    assert run.plan.choices.start_share == 0


def test_the_bundle_tells_what_it_began_with_and_not_where_that_lay(first: Path, second: Path) -> None:
    bundle = Bundle.open(second)
    start = Bundle.open(first)
    assert [one.identity for one in bundle.config.starts] == [start.identity]
    assert f"begun with: run, {start.identity}" in bundle.files[CARD].decode()
    assert str(first.parent) not in bundle.files[CONFIG].decode()


def test_frames_that_the_first_model_saw_are_no_held_out_frames_of_the_second(
    first: Path, second: Path, phantom_folder: Path
) -> None:
    dataset = load_dataset(phantom_folder)
    division = Split.read(first / "split.json")
    held_out = set(division.indices(dataset, 0, "test"))
    for model in (Bundle.open(second), join([Bundle.open(first), Bundle.open(second)])):
        assert set(scope_of(model, dataset).indices) == held_out


def test_a_third_model_knows_what_the_first_saw(tiny: Make, first: Path, second: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trained on all .* frames of the test part; give the split"):
        train(tiny(start=str(second)), tmp_path / "refused", _swapped(first, tmp_path))
    train(tiny(start=str(second), steps=1), tmp_path / "run", first / "split.json")
    starts = Bundle.open(tmp_path / "run").config.starts
    assert [one.identity for one in starts] == [Bundle.open(second).identity, Bundle.open(first).identity]


def _swapped(run: Path, tmp_path: Path) -> Path:
    """The run's split, its fit and test part swapped."""
    division = Split.read(run / "split.json")
    fold = division.fold(0)
    swapped = fold.model_copy(update={"fit": fold.test, "test": fold.fit})
    division.model_copy(update={"folds": (swapped,)}).write(tmp_path / "swapped.json")
    return tmp_path / "swapped.json"


def test_some_frames_that_it_saw_are_said_and_not_scored(
    tiny: Make, first: Path, phantom_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load_dataset(phantom_folder)
    before = Split.read(first / "split.json")
    fold, groups = before.fold(0), before.groups
    held_out, fitted = set(fold.test), list(dict.fromkeys(groups[name] for name in fold.fit))
    one = tuple(name for name in fold.fit if groups[name] == fitted[0])
    rest = tuple(name for name in fold.fit if name not in one)
    divided = before.model_copy(update={"folds": (Fold(fit=rest, tune=fold.tune, test=fold.test + one),)})
    divided.write(tmp_path / "split.json")
    found = train(tiny(start=str(first), steps=1), tmp_path / "run", tmp_path / "split.json")
    scored = {dataset.names[i] for i in found.indices}
    assert scored == held_out
    told = Bundle.open(tmp_path / "run").files[CARD].decode()
    assert f"{len(held_out) + len(one)} held out, of which {len(held_out)} are scored" in told
    assert "frames of the test part are not scored" in " ".join(capsys.readouterr().err.split())


def test_few_passes_are_warned_of_where_nothing_is_known_yet(
    tiny: Make, first: Path, other_people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"data": {"folder": other_people}, "network": {}, "canvas": {"longest": 32}, "steps": 1}
    begin(tiny(**told), tmp_path / "anew")
    assert "expect poor masks: train longer" in capsys.readouterr().err
    begin(tiny(**told, start=str(first)), tmp_path / "on")
    assert "expect poor masks: train longer" not in capsys.readouterr().err


def test_a_model_that_looked_once_may_look_twice_from_now_on(first: Path, tiny: Make) -> None:
    start, frames = Bundle.open(first), torch.randn(2, 1, 32, 32)
    config = started(tiny(network={"mirrored": True}, canvas={}), start)
    model = build(config.model, config.network, classes=1)
    load_start(model, start, config, start.config.classes)
    before, _ = restore(start)
    with torch.no_grad():
        looks = [before(frames).logits, before(frames.flip(-1)).logits.flip(-1)]
        torch.testing.assert_close(model.eval()(frames).logits, (looks[0] + looks[1]) / 2)


def test_a_class_that_it_knows_is_answered_as_before_and_a_new_one_anew(first: Path, tiny: Make) -> None:
    start = Bundle.open(first)
    before, _ = restore(start)
    torch.manual_seed(3)
    config = tiny(network={"width": 4, "depth": 3})
    model = build(config.model, config.network, classes=2)
    load_start(model, start, config, ("vessel", "nerve"))
    frames = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        vessel, nerve = model.eval()(frames).logits.unbind(1)
        known = before(frames).logits[:, 0]
    torch.testing.assert_close(nerve, known)
    assert not torch.allclose(vessel, known, atol=0.01)


def test_another_network_than_the_one_it_begins_with_is_refused(first: Path, tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leave the settings of the network that is begun with as they are"):
        train(tiny(start=str(first), network={"width": 8}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_it_begins_with_a_model_in_the_box_by_its_name(
    cli: Cli, first: Path, phantom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "FOLDER", tmp_path)
    zip_bundle(Bundle.open(first), tmp_path / "steady.sono")
    told = ("--set", "steps=1", "--workers", "0", "--split", first / "split.json", "--out", tmp_path / "run")
    code, _, err = cli("train", phantom_folder, "--from", "steady", *told)
    assert code == 0, err
    assert [one.name for one in Bundle.open(tmp_path / "run").config.starts] == ["steady.sono"]


def test_of_an_ensemble_the_members_take_turns_by_the_seed(
    tiny: Make, first: Path, second: Path, phantom_folder: Path, tmp_path: Path
) -> None:
    both, split = join([Bundle.open(first), Bundle.open(second)]), first / "split.json"
    zip_bundle(both, tmp_path / "both.sono")
    for seed, one in ((0, first), (1, second), (2, first)):
        config = tiny(start=str(tmp_path / "both.sono"), network={}, canvas={}, steps=1, seed=seed)
        network, expected = begin(config, tmp_path / f"run-{seed}", split).model, load(Bundle.open(one).files[WEIGHTS])
        assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in expected.items())
    train(config, tmp_path / "run-2", resume=True)
    ended = Bundle.open(tmp_path / "run-2")
    begun_with = [both.identity, Bundle.open(second).identity, *(one.identity for one in both.config.starts)]
    assert [one.identity for one in ended.config.starts] == begun_with
    assert f"both.sono, {both.identity}, network 1 of 2; " in ended.files[CARD].decode()


@pytest.mark.parametrize("networks", [[], None, ["unet", "unet"]])
def test_an_ensemble_that_says_nothing_of_its_networks_is_no_beginning(
    tiny: Make, first: Path, second: Path, tmp_path: Path, networks: list[str] | None
) -> None:
    both = configured(join([Bundle.open(first), Bundle.open(second)]), {"networks": networks})
    zip_bundle(both, tmp_path / "both.sono")
    with pytest.raises(InputError, match="says nothing of its members' networks; join them again, or name one"):
        begin(tiny(start=str(tmp_path / "both.sono"), network={}, canvas={}), tmp_path / "run")


def test_model_and_from_are_not_told_together(cli: Cli, first: Path, phantom_folder: Path, tmp_path: Path) -> None:
    code, _, err = cli("train", phantom_folder, "--from", first, "--model", "unet", "--out", tmp_path / "run")
    assert code == 2
    assert "leave --model out" in " ".join(err.split())
