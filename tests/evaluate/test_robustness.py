"""Scores on worse frames against scores by hand, and what is written and shown of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bright import NERVE
from PIL import Image

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Split
from sononerve.errors import InputError
from sononerve.evaluate.report.robustness_plot import robustness_plot
from sononerve.evaluate.robustness import CORRUPTIONS, Robustness, measure_robustness
from sononerve.evaluate.robustness.curves import Point, retained
from sononerve.evaluate.run import evaluate
from sononerve.evaluate.statistics import Interval
from sononerve.io.images import write_png
from sononerve.runtime.bundle import Bundle
from sononerve.runtime.ways import Ways

Make = Callable[..., Bundle]

IS_NERVE_3 = 141
"""10 dB less make it 100: 255 ln(1 + (1000^(100/255) - 1) 10^(10/20)) / ln 1000 = 140.7."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two subjects with a nerve of which `bright` sees three quarters, and at severity 3 of low gain the rest; and a
    frame without one that turns into nerve then."""
    home = tmp_path_factory.mktemp("small") / "frames"
    lines = ["image,mask,subject"]
    for subject in range(2):
        for kind in ("nerve", "empty"):
            pixels, truth = np.full((40, 60), 20, np.uint8), np.zeros((40, 60), np.uint8)
            if kind == "nerve":
                pixels[10:20, 10:40], pixels[10:20, 40:50], truth[10:20, 10:50] = NERVE, IS_NERVE_3, 1
            elif subject == 0:
                pixels[:3, :3] = IS_NERVE_3
            name = f"{kind}_{subject}.png"
            write_png(home / "images" / name, pixels)
            write_png(home / "masks" / name, truth)
            lines.append(f"images/{name},masks/{name},S{subject}")
    (home / "manifest.csv").write_text("\n".join(lines) + "\n")
    return load_dataset(home)


@pytest.fixture
def measured(bright: Make, small: Dataset) -> Robustness:
    return measure_robustness(evaluate(bright(), small))


def test_low_gain_is_as_computed_by_hand(measured: Robustness) -> None:
    """Three quarters of the nerve are 2 * 3/4 / (1 + 3/4), the quarter that is seen at severity 3 is 2 * 1/4 / 5/4."""
    curve = measured.curves["low gain"]
    assert [p.dice.value for p in curve.points["nerve"]] == pytest.approx([6 / 7, 0, 0, 2 / 5, 0, 0])
    assert [p.false_positive_rate.value for p in curve.points["nerve"]] == [0, 0, 0, 0.5, 0, 0]
    assert {(p.dice.frames, p.dice.subjects) for p in curve.points["nerve"]} == {(2, 2)}
    assert curve.retained["nerve"] == pytest.approx((2 / 5) / 5 / (6 / 7))


def test_a_model_that_turns_with_the_frame_keeps_its_score_on_the_turned_mask(measured: Robustness) -> None:
    """Nearest pixels of the mask, bilinear ones of the frame: only borders are lost."""
    turned = measured.curves["rotation"].points["nerve"]
    assert turned[0].surface_dice.value > 0.5
    assert all(point.dice.value > 0.6 for point in turned)


def test_severity_0_is_the_evaluation_itself_and_the_summary_the_mean(measured: Robustness) -> None:
    assert measured.frames == 4
    assert list(measured.curves) == list(CORRUPTIONS)
    assert all(c.points["nerve"][0].dice.value == pytest.approx(6 / 7) for c in measured.curves.values())
    kept = [curve.retained["nerve"] for curve in measured.curves.values()]
    assert measured.retained["nerve"] == pytest.approx(np.mean(kept))


def test_it_says_how_the_frames_were_looked_at(bright: Make, small: Dataset) -> None:
    found = measure_robustness(evaluate(bright(), small, ways=Ways(flip=True)))
    once = {"flip": False, "sensitivity": None, "second_look": False, "tile": None}
    assert json.loads(found.to_json())["ways"] == once | {"flip": True}


def test_only_held_out_frames_are_made_worse(bright: Make, dataset: Dataset, division: Split) -> None:
    told: list[tuple[int, int]] = []
    found = measure_robustness(evaluate(bright(division), dataset), progress=lambda *n: told.append(n))
    assert found.frames == len(division.fold(0).test)
    assert found.split == division.statement
    assert told == [(n, 40 * found.frames) for n in range(1, 40 * found.frames + 1)]


def points(*dice: float | None) -> list[Point]:
    return [Point(None if d is None else Interval(d, None, None, 1, 1), None, None) for d in dice]


def test_what_is_kept_is_relative_to_the_clean_score() -> None:
    assert retained(points(0.5, 0.5, 0.4, 0.3, 0.2, 0.1)) == pytest.approx(0.6)
    assert retained(points(0.0, 0.1, 0.1, 0.1, 0.1, 0.1)) is None
    assert retained(points(0.5, 0.5, 0.5, 0.5, 0.5, None)) is None
    assert retained(points(None, None, None, None, None, None)) is None


def test_it_is_read_as_it_was_written(measured: Robustness, tmp_path: Path) -> None:
    (tmp_path / "robustness.json").write_text(measured.to_json())
    assert Robustness.read(tmp_path / "robustness.json") == measured
    (tmp_path / "other.json").write_text('{"model": 3}')
    for name in ("other.json", "none.json"):
        with pytest.raises(InputError, match=rf"{name}: is no robustness\.json"):
            Robustness.read(tmp_path / name)


def test_several_models_are_drawn_into_one_figure(measured: Robustness) -> None:
    alone = robustness_plot({"run": measured})
    both = robustness_plot({"unet": measured, "other": measured})
    assert all(f">{label}, nerve<" in both.svg for label in ("unet", "other"))
    assert len(both.rows) == 2 * len(alone.rows)
    for plot in (alone, both):
        with Image.open(io.BytesIO(plot.png)) as picture:
            assert min(picture.size) > 600


def test_the_command_writes_prints_and_shows_the_curves(
    cli: Callable[..., tuple[int, str, str]], bright: Make, small: Dataset, tmp_path: Path
) -> None:
    model, out = bright().source, tmp_path / "scored"
    status, told, _ = cli("evaluate", small.folder, "--model", model, "--robustness", "--out", out)
    assert status == 0
    assert all(name in told for name in CORRUPTIONS)
    found = Robustness.read(out / "robustness.json")
    with (out / "robustness.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    row = {"corruption": "low gain", "severity": "3", "level": "-10", "class": "nerve", "score": "dice"}
    (line,) = [r for r in rows if row.items() <= r.items()]
    assert float(line["mean"]) == pytest.approx(found.curves["low gain"].points["nerve"][3].dice.value)
    assert "Dice on worse frames; bands are 95 % intervals" in (out / "index.html").read_text()


def test_programs_get_the_curves_with_the_scores_and_only_when_asked(
    cli: Callable[..., tuple[int, str, str]], bright: Make, small: Dataset
) -> None:
    model = bright().source
    _, plain, _ = cli("evaluate", small.folder, "--model", model, "--json")
    _, told, _ = cli("evaluate", small.folder, "--model", model, "--json", "--robustness")
    assert "robustness" not in json.loads(plain)
    curve = json.loads(told)["robustness"]["curves"]["low gain"]["points"]["nerve"]
    assert curve[3]["dice"]["value"] == pytest.approx(2 / 5)
