"""The way of a frame from a folder to masks and an honest score, by the command line, as a user goes it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Split
from sononerve.evaluate.metrics import score_frame
from sononerve.io.images import read_labels

SETTINGS = {
    "network.width": 16,
    "network.depth": 4,
    "network.fold": 1,
    "augment.elastic.p": 0,
    "augment.flip_vertical.p": 0,
    "steps": 200,
}
EASY = (
    "nerve.bright_db=[10, 12]",
    "nerve.more=0",
    "nerve.roots=0",
    "needle.share=0",
    "probe.fill=1",
    "tissue.decoys=1",
)
"""Bright single nerves, so that a small network learns them within a minute."""
BAR, OVER_UNTRAINED, OVER_PRIOR = 0.4, 0.25, 0.08
"""Dice on held-out subjects. Measured: 0.47 to 0.58 trained, 0.33 for the usual place, nearly 0 untrained."""


def sononerve(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, in one thread."""
    command = [sys.executable, "-c", "from sononerve.cli import main; main()", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that went well printed."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings(**changes: object) -> list[object]:
    """As options of the command line."""
    return [word for name, value in (SETTINGS | changes).items() for word in ("--set", f"{name}={value}")]


def train(home: Path, name: str, *more: object) -> None:
    """Train on the home's frames with its split."""
    fixed = ["--size", 64, "--batch", 16, "--workers", 0, "--precision", 32, "--learning-rate", 0.01]
    said(sononerve("train", home / "frames", "--split", home / "split.json", "--out", home / name, *fixed, *more))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom, a split, and a trained run: the first two of the four commands."""
    folder = tmp_path_factory.mktemp("spine")
    size = ["--subjects", 48, "--frames", 3, "--size", 64, "--no-vessels", "--empty", 0.1, "--machines", 4]
    said(sononerve("phantom", "--out", folder / "frames", *size, *(w for e in EASY for w in ("--set", e))))
    said(sononerve("split", folder / "frames", "--out", folder / "split.json", "--test", 0.3))
    train(folder, "run", *settings())
    return folder


@pytest.fixture(scope="module")
def dataset(home: Path) -> Dataset:
    return load_dataset(home / "frames")


def evaluated(home: Path, run: str) -> dict:
    """The scores of a run, as a program gets them."""
    return json.loads(said(sononerve("evaluate", home / "frames", "--model", home / run, "--json")))


def dice(scores: dict) -> float:
    """Mean Dice of the nerve."""
    return scores["overall"]["classes"]["nerve"]["scores"]["dice"]["value"]


def centre_prior(dataset: Dataset, division: Split) -> float:
    """Dice on the test part of the best mask that knows only where nerves are in the fit part."""
    fit, test = (dataset.select(division.indices(dataset, 0, part)) for part in ("fit", "test"))
    where = np.mean([fit[i].labels == 1 for i in range(len(fit))], axis=0)
    truths = [test[i].labels == 1 for i in range(len(test)) if (test[i].labels == 1).any()]
    levels = np.linspace(0, where.max(), 20)[:-1]
    return max(float(np.mean([score_frame(t, where > level, None).dice for t in truths])) for level in levels)


def test_the_trained_network_beats_an_untrained_one_and_the_usual_place(home: Path, dataset: Dataset) -> None:
    train(home, "untrained", *settings(steps=1))
    trained, untrained = (dice(evaluated(home, run)) for run in ("run", "untrained"))
    prior = centre_prior(dataset, Split.read(home / "split.json"))
    assert trained > BAR
    assert trained > untrained + OVER_UNTRAINED
    assert trained > prior + OVER_PRIOR


def test_the_score_is_of_held_out_subjects_and_says_so(home: Path, dataset: Dataset) -> None:
    scores = evaluated(home, "run")
    division = Split.read(home / "split.json")
    held_out = {division.groups[name] for name in division.fold(0).test}
    trained = {division.groups[name] for name in (*division.fold(0).fit, *division.fold(0).tune)}
    assert held_out.isdisjoint(trained)
    assert scores["split"] == "by subject"
    assert scores["overall"]["subjects"] == len(held_out)
    assert set(scores["overall"]["classes"]["nerve"]["dice_by_subject"]) <= held_out
    assert scores == json.loads((home / "run" / "scores.json").read_text())


def test_predicting_gives_the_masks_that_were_scored(home: Path, dataset: Dataset) -> None:
    names = Split.read(home / "split.json").fold(0).test
    files = [home / "frames" / name for name in names]
    out = home / "masks"
    told = json.loads(said(sononerve("predict", *files, "--model", home / "run" / "bundle", "--out", out, "--json")))
    assert (told["done"], told["failed"]) == (len(files), 0)
    scores = []
    for i, file in zip(Split.read(home / "split.json").indices(dataset, 0, "test"), files, strict=True):
        found = read_labels(out / f"{file.stem}.png")
        score = score_frame(dataset[i].labels == 1, found == 1, None).dice
        scores += [] if score is None else [score]
    assert np.mean(scores) == pytest.approx(dice(evaluated(home, "run")), abs=1e-6)
    with (out / "measurements.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(files)
    assert len(list((out / "overlays").iterdir())) == len(files)


def test_a_bad_file_among_good_ends_with_status_1_and_its_name(home: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    good = next((home / "frames" / "images").iterdir())
    done = sononerve("predict", bad, good, "--model", home / "run", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "bad.png" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / f"{good.stem}.png").is_file()


def test_the_report_of_an_evaluation_is_written_where_told(home: Path, tmp_path: Path) -> None:
    said(sononerve("evaluate", home / "frames", "--model", home / "run", "--out", tmp_path / "report"))
    assert (tmp_path / "report" / "index.html").is_file()
    again = sononerve("evaluate", home / "frames", "--model", home / "run", "--out", tmp_path / "report")
    assert again.returncode == 2
    assert "is there already" in again.stderr
