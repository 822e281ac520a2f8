"""From a training to filtered frames and second looks: the bundle holds what both need, and says what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.dataset import load_dataset
from sononerve.errors import InputError
from sononerve.evaluate.run import evaluate
from sononerve.frame import Area, Frame
from sononerve.runtime.bundle import DECODER, ENCODER, GRAPH, Bundle
from sononerve.runtime.engine import Engine, EngineChoice
from sononerve.runtime.engines import open_engine
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.ways import ONCE, Ways
from sononerve.train.config import TrainConfig
from sononerve.train.run import train

SMALL = {"width": 4, "depth": 3, "fold": 1, "layers": 1, "attention_heads": 2}
Make = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def run(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TransCGU-Net of a few steps, on close-ups too."""
    out = tmp_path_factory.mktemp("filter") / "run"
    train(tiny(model="transcgu-net", network=SMALL, canvas={"longest": 32, "close_up": 2}), out)
    return out


@pytest.fixture(scope="module")
def plain(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A U-Net: no presence, no box."""
    out = tmp_path_factory.mktemp("plain") / "run"
    train(tiny(), out)
    return out


@pytest.fixture
def frame() -> Frame:
    return Frame(np.random.default_rng(0).integers(0, 200, (90, 70), dtype=np.uint8))


def test_the_bundle_of_such_a_network_can_filter_and_that_of_another_says_that_it_cannot(
    run: Path, plain: Path, frame: Frame
) -> None:
    bundle = Bundle.open(run)
    assert {ENCODER, DECODER} <= bundle.files.keys()
    presences = [presence for group in bundle.config.tune_presences for presence in group]
    just_shown = 0.05 ** (1 / len(presences)) - 1e-6  # with every one of so few frames passing
    whole, filtered = Predictor(bundle), Predictor(bundle, ways=Ways(sensitivity=just_shown))
    assert filtered.threshold == pytest.approx(min(presences))
    assert whole.warnings == ()
    assert "it may lose more nerves of others" in filtered.warnings[0]  # the phantom's tune part has few subjects
    assert filtered.identity != whole.identity
    assert ENCODER not in Bundle.open(plain).files
    with pytest.raises(InputError, match=r"cannot filter early.*transcgu-net"):
        Predictor.load(plain, ways=Ways(sensitivity=0.9))


def test_a_frame_below_the_threshold_holds_nothing_and_one_above_it_what_it_held(run: Path, frame: Frame) -> None:
    bundle = Bundle.open(run)
    whole = Predictor(bundle).predict(frame)
    for presence, passes in ((whole.presence + 0.01, False), (whole.presence - 0.01, True)):
        changed = replace(bundle, config=bundle.config.model_copy(update={"tune_presences": ((presence,),)}))
        found = Predictor(changed, ways=Ways(sensitivity=0.01)).predict(frame)
        assert found.presence == pytest.approx(whole.presence, abs=1e-5)
        expected = whole.probabilities if passes else np.zeros_like(whole.probabilities)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)


def test_the_first_look_alone_decides_what_passes_where_there_is_a_mirrored_one(run: Path, frame: Frame) -> None:
    bundle = Bundle.open(run)
    both = Predictor(bundle, ways=Ways(flip=True)).predict(frame)
    first = Predictor(bundle).predict(frame).presence
    for presence, passes in ((first + 1e-4, False), (first - 1e-4, True)):
        changed = replace(bundle, config=bundle.config.model_copy(update={"tune_presences": ((presence,),)}))
        found = Predictor(changed, ways=Ways(flip=True, sensitivity=0.01)).predict(frame)
        expected = both.probabilities if passes else np.zeros_like(both.probabilities)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
        assert found.uncertainty is not None and both.uncertainty is not None
        np.testing.assert_allclose(found.uncertainty, both.uncertainty if passes else 0 * both.uncertainty, atol=1e-5)


def test_a_filtered_frame_stays_empty_whatever_its_mirror_says(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sononerve.runtime.predictor.SURE", 0.0)
    bundle = Bundle.open(run)
    lopsided = np.full((90, 70), 5, np.uint8)
    lopsided[:, :20] = 250
    frames = (Frame(lopsided), Frame(np.ascontiguousarray(lopsided[:, ::-1])))
    told = {Predictor(bundle).predict(one).presence: one for one in frames}
    low, high = sorted(told)
    between = low + (high - low) / 4  # the mean of both looks passes it
    changed = replace(bundle, config=bundle.config.model_copy(update={"tune_presences": ((between,),)}))
    predictor = Predictor(changed, ways=Ways(flip=True, sensitivity=0.01, second_look=True))
    filtered, passed = predictor.predict_batch([told[low], told[high]])
    assert filtered.presence == pytest.approx(low, abs=1e-5)
    assert filtered.box == (0, 0, 0, 0)
    assert filtered.probabilities.max() == 0
    assert filtered.uncertainty is not None and filtered.uncertainty.max() == 0
    whole = Predictor(bundle, ways=Ways(flip=True, second_look=True)).predict(told[high])
    np.testing.assert_allclose(passed.probabilities, whole.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("ways", "opened"),
    [
        (Ways(sensitivity=0.01), {ENCODER, DECODER}),
        (Ways(sensitivity=0.01, flip=True), {GRAPH, ENCODER, DECODER}),
        (Ways(sensitivity=0.01, second_look=True), {GRAPH, ENCODER, DECODER}),
        (ONCE, {GRAPH}),
    ],
)
def test_only_graphs_that_are_run_are_opened(
    run: Path, frame: Frame, ways: Ways, opened: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(run)
    seen = set[str]()

    def told(bundle: Bundle, name: str, choice: EngineChoice) -> Engine:
        seen.add(name)
        return open_engine(bundle, name, choice)

    monkeypatch.setattr("sononerve.runtime.predictor.open_engine", told)
    Predictor(bundle, ways=ways).predict(frame)
    assert seen == opened


def test_a_second_look_changes_the_surroundings_of_the_box_and_nothing_else(
    run: Path, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sononerve.runtime.predictor.SURE", 0.0)  # whatever so short a training says of presence
    bundle = Bundle.open(run)
    bundle = replace(bundle, config=bundle.config.model_copy(update={"close_up": 0.5}))
    whole = Predictor(bundle).predict(frame)
    assert whole.box is not None
    x, y, width, height = whole.box
    area = Area.close_up((x, y, x + width, y + height), frame.shape, margin=0.5)
    looked = Predictor(bundle, ways=Ways(second_look=True)).predict(frame)
    inside = np.zeros(frame.shape, bool)
    inside[area.slices] = True
    assert np.array_equal(looked.probabilities[:, ~inside], whole.probabilities[:, ~inside])
    closely = Predictor(bundle).predict(Frame(np.ascontiguousarray(frame.pixels[area.slices])))
    np.testing.assert_allclose(looked.probabilities[:, *area.slices], closely.probabilities, atol=1e-5)
    assert not np.array_equal(looked.probabilities, whole.probabilities)


def test_a_second_look_has_the_uncertainty_of_its_own(run: Path, frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sononerve.runtime.predictor.SURE", 0.0)
    bundle = Bundle.open(run)
    bundle = replace(bundle, config=bundle.config.model_copy(update={"close_up": 0.5}))
    once, twice = (Predictor(bundle, ways=Ways(flip=True, second_look=again)).predict(frame) for again in (False, True))
    assert once.uncertainty is not None and twice.uncertainty is not None
    moved = (once.probabilities != twice.probabilities).any(0)
    assert moved.any()
    assert (once.uncertainty != twice.uncertainty)[moved].mean() > 0.9
    assert np.array_equal(once.uncertainty[~moved], twice.uncertainty[~moved])


def test_a_frame_that_seems_empty_is_not_looked_at_twice(run: Path, frame: Frame) -> None:
    bundle = Bundle.open(run)
    bundle = replace(bundle, config=bundle.config.model_copy(update={"tune_presences": ((1.0,),), "close_up": 0.5}))
    assert Predictor(bundle).predict(frame).presence < 1
    found = Predictor(bundle, ways=Ways(sensitivity=0.01, second_look=True)).predict(frame)
    assert found.probabilities.max() == 0


def test_a_network_that_never_saw_close_ups_does_not_look_twice(plain: Path) -> None:
    with pytest.raises(InputError, match=r"--set canvas\.close_up=2"):
        Predictor.load(plain, ways=Ways(second_look=True))


def test_an_evaluation_says_how_it_looked_and_how_well_the_box_fits(run: Path, phantom_folder: Path) -> None:
    scores = evaluate(run, load_dataset(phantom_folder), ways=Ways(sensitivity=0.01, second_look=True)).scores
    assert scores.ways.mark == "+sensitivity=0.01+second-look"
    assert scores.overall.box_iou is not None
    assert 0 <= scores.overall.box_iou.value <= 1


def test_a_sensitivity_that_is_no_share_is_refused() -> None:
    with pytest.raises(InputError, match=r"--sensitivity 98.*expected a share"):
        Ways(sensitivity=98)
