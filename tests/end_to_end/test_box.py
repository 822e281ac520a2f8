"""The two models that come with the package, as a new user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sononerve.data.dataset import load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.evaluate.run import evaluate
from sononerve.io.images import read_labels
from sononerve.runtime.bundle import CARD, SCORES, WEIGHTS, Bundle
from sononerve.runtime.installed import installed

Cli = Callable[..., tuple[int, str, str]]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "usgra-seg"
NAMES = ("accurate", "realtime")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantom frames."""
    config = PhantomConfig(subjects=1, frames=2)
    return write(config, tmp_path_factory.mktemp("drawn") / "frames")


def test_the_box_holds_two_models_that_are_small_enough() -> None:
    from safetensors.numpy import load

    assert tuple(installed()) == NAMES
    assert sum(path.stat().st_size for path in installed().values()) < 40e6
    weights = [load(Bundle.open(path).files[WEIGHTS]) for path in installed().values()]
    assert sum(tensor.size for one in weights for tensor in one.values()) < 13e6


def test_predict_needs_no_model_no_torch_and_no_network(frames: Path, tmp_path: Path) -> None:
    frame = sorted((frames / "images").iterdir())[0]
    told = f"""
import socket, sys
def refused(*_): raise AssertionError("no network here")
socket.socket.connect = refused
from sononerve.cli import main
sys.argv = ["sononerve", "predict", {str(frame)!r}, "--out", "masks"]
try:
    main()
finally:
    assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(read_labels(tmp_path / "masks" / f"{frame.stem}.png").flat) <= {0, 1, 2}


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_it_is_from_and_where_it_fails(name: str) -> None:
    card = Bundle.open(installed()[name]).files[CARD].decode()
    for told in (
        "Not a medical device",
        "Timm Kandaouroff",
        "CC BY 4.0",
        "MobileNetV2",
        "Known failures",
        "brachial-plexus",
    ):
        assert told in card, told


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the frames in {DATA}")
@pytest.mark.parametrize("name", NAMES)
def test_evaluate_finds_the_scores_of_the_card(name: str) -> None:
    bundle = Bundle.open(installed()[name])
    said = json.loads(bundle.files[SCORES])["overall"]["classes"]
    found = evaluate(bundle, load_dataset(DATA)).scores.overall.classes
    for label, one in found.items():
        dice = one.scores["dice"]
        assert dice is not None
        assert dice.value == pytest.approx(said[label]["scores"]["dice"]["value"], abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_may_begin_with_each_and_knows_nerves_then(name: str, tmp_path: Path) -> None:
    from sononerve.train.config import DataConfig, TrainConfig
    from sononerve.train.run import begin

    folder = write(PhantomConfig(subjects=6, frames=2), tmp_path / "frames")
    config = TrainConfig(data=DataConfig(folder=folder), start=str(installed()[name]), steps=1, batch=2, workers=0)
    run = begin(config, tmp_path / "run")
    assert run.config.negatives.judge
    marked = run.model.eval()(run.plain[0].frames).probabilities() > 0.5
    assert 0 < marked.float().mean() < 0.5


def test_they_are_listed(cli: Cli) -> None:
    code, out, _ = cli("models", "--installed", "--json")
    assert code == 0
    assert [one["model"] for one in json.loads(out)] == list(NAMES)
