"""A judge of presence is fitted when the training is over, and leaves the masks as they were."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load

from sononerve.data.augment import Augment
from sononerve.data.canvases import Canvases
from sononerve.data.dataset import load_dataset
from sononerve.data.module import VariedFrames
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.models import build
from sononerve.models.unet import UNet, UNetConfig
from sononerve.runtime.bundle import CARD, GRAPH, WEIGHTS, Bundle
from sononerve.runtime.predictor import Predictor
from sononerve.train.config import TrainConfig, changed
from sononerve.train.crops import draw
from sononerve.train.ensemble import join
from sononerve.train.export import configured
from sononerve.train.graph import bundle_graph
from sononerve.train.judge import BUDGET_SHARE, EMPTY, LEAST_LOOKS, MOST_LOOKS, fit_judge, look_s, looks_within
from sononerve.train.restore import read_recorded, restore
from sononerve.train.run import begin, train

Make = Callable[..., TrainConfig]
JUDGED = {"judge": True, "sizes": (0.4,)}
SIDE = 32


@pytest.fixture(scope="module")
def plain(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training without a judge."""
    out = tmp_path_factory.mktemp("plain") / "run"
    train(tiny(), out)
    return out


@pytest.fixture(scope="module")
def judged(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training with a judge at its end."""
    out = tmp_path_factory.mktemp("judged") / "run"
    train(tiny(negatives=JUDGED), out)
    return out


def discs(count: int, seed: int) -> Canvases:
    """Speckle, with a bright disc of label 1 in every second frame."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pairs = []
    for i in range(count):
        inside = (rows - rng.integers(10, 22)) ** 2 + (columns - rng.integers(10, 22)) ** 2 < 36
        labels = (inside & (i % 2 == 0)).astype(np.uint8)
        pixels = (rng.integers(20, 120, (SIDE, SIDE)) + 100 * labels).astype(np.uint8)
        pairs.append((pixels, labels))
    return Canvases(np.array(pairs), np.arange(count))


def said(model: UNet, canvases: Canvases, preprocess: Preprocess) -> NDArray[np.float32]:
    frames = np.stack([preprocess.normalise(canvases[i][0]) for i in range(len(canvases))])
    with torch.no_grad():
        presence = model.eval()(torch.from_numpy(frames)[:, None]).presence
    assert presence is not None
    return np.asarray(presence.numpy(), np.float32)


def test_a_judge_knows_new_frames_with_something_from_those_without_it() -> None:
    torch.manual_seed(0)
    model, preprocess = UNet(UNetConfig(width=8, depth=3), classes=1), Preprocess(height=SIDE, width=SIDE)
    varied = VariedFrames(discs(40, 0), preprocess, Augment(), seed=0, crops=discs(40, 1))
    assert fit_judge(model, varied) == "fitted to 40 frames and 40 crops, 40 of them without a nerve"
    found = said(model, discs(40, 2), preprocess)
    assert (found[::2] > 0).mean() > 0.9
    assert (found[1::2] < 0).mean() > 0.9


def test_masks_are_those_of_the_same_training_without_a_judge(plain: Path, judged: Path, phantom_folder: Path) -> None:
    without, with_it = (restore(Bundle.open(run))[0].state_dict() for run in (plain, judged))
    assert {name for name in with_it if name not in without} == {"judge.linear.weight", "judge.linear.bias"}
    assert all(torch.equal(with_it[name], tensor) for name, tensor in without.items())
    frame = load_dataset(phantom_folder)[0].frame
    before, after = (Predictor.load(run).predict(frame) for run in (plain, judged))
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=2e-2)  # each has its temperature


def leaning(bundle: Bundle, logit: float) -> Bundle:
    """The bundle with a judge that says the same of every frame."""
    network, preprocess = restore(bundle)
    assert isinstance(network, UNet)
    assert network.judge is not None
    with torch.no_grad():
        network.judge.linear.weight.zero_()
        network.judge.linear.bias.fill_(logit)
    classes, temperatures = len(bundle.config.classes), read_recorded(bundle).temperature
    return replace(bundle, files=bundle.files | {GRAPH: bundle_graph(network, preprocess, classes, temperatures)})


def test_in_frames_that_the_judge_holds_for_empty_no_nerve_is_marked(judged: Path, phantom_folder: Path) -> None:
    bundle, dataset = Bundle.open(judged), load_dataset(phantom_folder)
    assert "without a nerve" in bundle.files[CARD].decode()
    loose = {"postprocess": {"threshold": 1e-3, "presence": EMPTY}}  # a training of seconds is sure of nothing
    sure, unsure = (Predictor(configured(leaning(bundle, logit), loose)) for logit in (4.0, -4.0))
    frame = dataset[0].frame
    assert sure.predict(frame).presence > EMPTY > unsure.predict(frame).presence
    assert sure.predict(frame).labels.any()
    assert not unsure.predict(frame).labels.any()


def test_presence_is_what_the_network_says(judged: Path, phantom_folder: Path) -> None:
    bundle, dataset = Bundle.open(judged), load_dataset(phantom_folder)
    assert bundle.config.postprocess.presence == EMPTY
    predictor, (model, preprocess) = Predictor(bundle), restore(bundle)
    temperature = read_recorded(bundle).temperature.presence
    for i in range(0, len(dataset), 5):
        frame = dataset[i].frame
        canvas = torch.from_numpy(preprocess.normalise(preprocess.frame(frame.pixels)))[None, None]
        with torch.no_grad():
            told = model(canvas).presence
        assert told is not None
        assert predictor.predict(frame).presence == pytest.approx(float(torch.sigmoid(told / temperature)), abs=5e-3)


def test_a_training_that_begins_with_a_judged_model_fits_one_anew_unless_told_otherwise(
    judged: Path, tiny: Make, tmp_path: Path
) -> None:
    data = {"folder": tiny().data.folder}
    begun = {"data": data, "start": str(judged), "network": {}, "canvas": {}, "steps": 1}
    train(tiny(**begun, negatives=JUDGED | {"judge": False}), tmp_path / "run", judged / "split.json")
    assert "presence" not in restore(Bundle.open(tmp_path / "run"))[0].heads
    inherited = tiny(**begun, negatives=JUDGED | {"judge": None})
    begin(inherited, tmp_path / "anew", judged / "split.json")
    train(inherited, tmp_path / "anew", judged / "split.json", resume=True)
    was, anew = (Bundle.open(run).files[WEIGHTS] for run in (judged, tmp_path / "anew"))
    assert not np.array_equal(*(load(weights)["judge.linear.weight"] for weights in (was, anew)))


def test_a_training_that_looks_twice_or_begins_with_no_judge_has_none(
    judged: Path, plain: Path, tiny: Make, phantom_folder: Path
) -> None:
    fitted, mirrored = load_dataset(phantom_folder), {"network": {"mirrored": True}}
    for changes, start in (({}, plain), (mirrored, judged), ({"refine": {"folds": 2}}, judged)):
        config, crops, told = draw(tiny(**changes), Bundle.open(start), fitted)
        assert config.negatives.judge is False
        assert crops is None
        assert not told


def test_where_no_crops_can_be_drawn_a_judge_is_missed_with_a_warning_or_refused_where_it_was_asked_for(
    judged: Path, tiny: Make, tmp_path: Path
) -> None:
    begun = {"start": str(judged), "network": {}, "canvas": {}, "steps": 1}
    no_room = {"sizes": (0.05,)}
    run = begin(tiny(**begun, negatives=no_room), tmp_path / "run", judged / "split.json")
    assert not run.config.negatives.judge
    assert "no judge of presence is fitted" in " ".join(run.plan.warnings)
    assert not begin(tiny(**begun, negatives=no_room), tmp_path / "run", resume=True).config.negatives.judge
    with pytest.raises(InputError, match="no frame gives a pair of crops"):
        begin(tiny(**begun, negatives=no_room | {"judge": True}), tmp_path / "other", judged / "split.json")


def test_another_start_says_anew_whether_there_is_a_judge(tiny: Make) -> None:
    begun = tiny(start="one", negatives={"judge": True})
    assert changed(begun, {"start": "other"}, {}).negatives.judge is None
    assert changed(tiny(negatives={"judge": True}), {"start": "other"}, {}).negatives.judge


def test_a_judge_is_fitted_too_where_a_training_was_stopped(judged: Path, tiny: Make, tmp_path: Path) -> None:
    begin(tiny(negatives=JUDGED), tmp_path / "run")
    train(tiny(negatives=JUDGED), tmp_path / "run", resume=True)
    was, again = (load(Bundle.open(run).files[WEIGHTS]) for run in (judged, tmp_path / "run"))
    np.testing.assert_allclose(again["judge.linear.weight"], was["judge.linear.weight"], atol=1e-4)


def test_other_networks_of_the_kind_have_a_judge_too(tiny: Make, tmp_path: Path) -> None:
    train(tiny(model="attention-unet", negatives=JUDGED, steps=1), tmp_path / "run")
    assert restore(Bundle.open(tmp_path / "run"))[0].heads == ("presence",)


def test_an_ensemble_tells_the_mean_of_its_judges(
    judged: Path, tiny: Make, tmp_path: Path, phantom_folder: Path
) -> None:
    train(tiny(negatives=JUDGED, seed=1), tmp_path / "other", judged / "split.json")
    members = [Bundle.open(judged), Bundle.open(tmp_path / "other")]
    frame = load_dataset(phantom_folder)[0].frame
    told = [Predictor(member).predict(frame).presence for member in members]
    assert told[0] != told[1]
    assert Predictor(join(members)).predict(frame).presence == pytest.approx(np.mean(told), abs=1e-5)


@pytest.mark.parametrize(
    ("most", "told"),
    [
        (20, "10 frames and 10 crops"),
        (36, "24 frames and 12 crops"),
        (52, "40 frames and 12 crops"),
        (400, "40 frames and 12 crops"),
    ],
)
def test_a_judge_looks_at_some_of_many_frames(most: int, told: str) -> None:
    model, preprocess = UNet(UNetConfig(width=8, depth=3), classes=1), Preprocess(height=SIDE, width=SIDE)
    varied = VariedFrames(discs(40, 0), preprocess, Augment(), seed=0, crops=discs(12, 1))
    said = fit_judge(model, varied, most)
    assert said.startswith(f"fitted to {told}, ")
    assert fit_judge(model, varied, most) == said


def test_many_frames_are_drawn_from_frames_and_crops_alike() -> None:
    model, preprocess = UNet(UNetConfig(width=8, depth=3), classes=1), Preprocess(height=SIDE, width=SIDE)
    varied = VariedFrames(discs(10, 0), preprocess, Augment(), seed=0, crops=discs(30, 1))
    assert fit_judge(model, varied, 20).startswith("fitted to 5 frames and 15 crops, ")


def test_as_often_as_asked_for_a_judge_looks(tiny: Make, tmp_path: Path) -> None:
    train(tiny(negatives=JUDGED | {"looks": 40}, steps=1), tmp_path / "run")
    found = re.search(r"fitted to (\d+) frames and (\d+) crops", Bundle.open(tmp_path / "run").files[CARD].decode())
    assert found is not None
    assert int(found[1]) + int(found[2]) == 40


def test_a_judge_takes_a_part_of_the_budget_and_the_run_repeats_what_was_planned(
    judged: Path, tiny: Make, tmp_path: Path
) -> None:
    assert TrainConfig.read(judged / "config.yaml").negatives.looks == MOST_LOOKS
    told = tiny(negatives=JUDGED, steps=None, budget_s=40)
    plan = begin(told, tmp_path / "run").plan
    kept = TrainConfig.read(tmp_path / "run" / "config.yaml")
    looks, network = kept.negatives.looks, build(kept.model, kept.network, 1)
    shape = (plan.preprocess.height, plan.preprocess.width)
    assert looks is not None
    assert looks * look_s(network, shape) <= BUDGET_SHARE * 40 < (looks + 1) * look_s(network, shape)
    for asked in (told, kept):
        assert begin(asked, tmp_path / "run", resume=True).config.negatives.looks == looks
    assert changed(kept, {"budget_s": 400}, {}).negatives.looks is None


def test_a_small_budget_leaves_a_judge_enough_to_look_at() -> None:
    network = UNet(UNetConfig(width=8, depth=3), classes=1)
    assert looks_within(0.1, network, (SIDE, SIDE)) == LEAST_LOOKS


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "transcgu-net", "network": {}}, "transcgu-net has no place for a judge"),
        ({"model": "nnunet", "network": {"width": 4}}, "nnunet has no place for a judge"),
    ],
)
def test_networks_without_a_place_for_a_judge_are_told_of(
    changes: dict[str, object], told: str, tiny: Make, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        train(tiny(negatives=JUDGED, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_judge_goes_with_no_refiner_and_no_second_look(tiny: Make) -> None:
    for changes in ({"refine": {"folds": 2}}, {"network": {"width": 4, "depth": 3, "mirrored": True}}):
        with pytest.raises(ValueError, match=r"negatives\.judge: goes with neither"):
            tiny(negatives=JUDGED, **changes)
