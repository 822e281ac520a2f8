"""A model knows what the frames of its training look like, and says of others that they are unlike them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))  # bright.py lives there

from bright import even_files

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.data.split import find_groups
from sononerve.evaluate.run import evaluate
from sononerve.io.images import write_png
from sononerve.runtime.appearance import Appearance
from sononerve.runtime.bundle import Bundle, write_bundle
from sononerve.train.appearance import learn_appearance
from sononerve.train.export import configured

Cli = Callable[..., tuple[int, str, str]]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def photos() -> dict[str, np.ndarray]:
    """Pictures that are no ultrasound, in grey levels."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    shown = {name: getattr(data, name)() for name in ("chelsea", "astronaut", "coffee", "camera", "coins", "page")}
    grey = {name: np.asarray(Image.fromarray(picture).convert("L")) for name, picture in shown.items()}
    noise = np.random.default_rng(0).integers(0, 256, (400, 500)).astype(np.uint8)
    return grey | {"noise": noise, "black": np.zeros((300, 400), np.uint8), "white": np.full((300, 400), 255, np.uint8)}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Frames of eighty subjects."""
    config = PhantomConfig(subjects=80, frames=1, height=160, width=180)
    return load_dataset(write(config, tmp_path_factory.mktemp("drawn") / "frames"))


@pytest.fixture
def even(tmp_path: Path) -> Path:
    """A bundle that says the same of every frame, and knows nothing of what they look like."""
    write_bundle(tmp_path / "even", even_files(0.9, 0.05))
    return tmp_path / "even"


def learned(dataset: Dataset, share: float = 0.75) -> tuple[Appearance, list[int]]:
    """What a share of the groups looks like, and the frames of the others."""
    groups = find_groups(dataset)[1]
    names = sorted(set(groups))
    known = set(names[: round(share * len(names))])
    fitted = [i for i, group in enumerate(groups) if group in known]
    found = learn_appearance(dataset.select(fitted), [groups[i] for i in fitted])
    assert found is not None
    return found, [i for i, group in enumerate(groups) if group not in known]


@pytest.mark.parametrize(("source", "least"), [("phantom", 0.7), ("usgra-seg", 1.0)])
def test_left_out_frames_are_familiar_and_photos_are_strange(source: str, least: float, drawn: Dataset) -> None:
    """Phantoms differ more among each other than the frames of one machine."""
    if source != "phantom" and not (SHARED / source).is_dir():
        pytest.skip("the real frames are not here")
    dataset = drawn if source == "phantom" else load_dataset(SHARED / source)
    appearance, others = learned(dataset)
    familiar = [appearance.strangeness(dataset[i].frame.pixels) <= 1 for i in others]
    assert np.mean(familiar) > 0.95
    told = {name: appearance.strangeness(picture) for name, picture in photos().items()}
    assert np.mean([strangeness > 1 for strangeness in told.values()]) >= least, told


def test_the_size_of_a_frame_does_not_make_it_strange(drawn: Dataset) -> None:
    appearance, others = learned(drawn)
    pixels = drawn[others[0]].frame.pixels
    height, width = pixels.shape
    larger = np.asarray(Image.fromarray(pixels).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))
    assert appearance.strangeness(larger) == pytest.approx(appearance.strangeness(pixels), abs=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 3)])
def test_any_frame_has_an_answer(shape: tuple[int, int], drawn: Dataset) -> None:
    appearance, _ = learned(drawn)
    assert np.isfinite(appearance.strangeness(np.full(shape, 7, np.uint8)))


def test_few_groups_say_nothing_of_what_others_look_like(drawn: Dataset) -> None:
    assert learn_appearance(drawn.select(range(8)), ["a", "a", "b", "b", "c", "c", "d", "d"]) is None


def test_frames_that_are_all_alike_leave_every_other_strange(drawn: Dataset) -> None:
    same = drawn.select([0] * 10)
    found = learn_appearance(same, list("aabbccddee"))
    assert found is not None
    assert found.strangeness(drawn[0].frame.pixels) <= 1
    assert found.strangeness(np.zeros((160, 180), np.uint8)) > 1


def test_predict_and_evaluate_tell_of_strange_frames(cli: Cli, drawn: Dataset, even: Path, tmp_path: Path) -> None:
    appearance, others = learned(drawn)
    bundle = configured(Bundle.open(even), {"appearance": appearance.model_dump(mode="json")})
    write_bundle(tmp_path / "knowing", bundle.files)
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    write_png(frames / "like.png", drawn[others[0]].frame.pixels)
    write_png(frames / "white.png", np.full((160, 180), 255, np.uint8))
    code, printed, err = cli("predict", frames, "--model", tmp_path / "knowing", "--out", out, "--json")
    assert code == 0
    assert json.loads(printed)["strange"] == 1
    assert "1 of 2 frames are unlike those that the model was trained on" in " ".join(err.split())
    with (out / "measurements.csv").open(newline="") as file:
        told = {Path(row["file"]).name: float(row["strangeness"]) for row in csv.DictReader(file)}
    assert told["like.png"] < 1 < told["white.png"]
    scores = evaluate(bundle, drawn).scores
    assert scores.overall.strange is not None
    assert scores.overall.strange.value < 0.1
