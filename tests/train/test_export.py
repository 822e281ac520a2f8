"""A bundle is passed on: it tells how the model was made and scored, and nobody's name."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.dataset import load_dataset
from sononerve.data.phantom import PhantomConfig, write
from sononerve.evaluate.run import evaluate
from sononerve.runtime.bundle import Bundle
from sononerve.train.config import TrainConfig
from sononerve.train.run import train


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom frames of people with names, in their subjects, annotators and files."""
    folder = write(
        PhantomConfig(subjects=5, frames=3, height=48, width=48), tmp_path_factory.mktemp("ward7") / "frames"
    )
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*rows[0], "annotator"])
        table.writeheader()
        table.writerows(row | {"subject": f"Doe-Jane-{row['subject']}", "annotator": "Dr-Roe"} for row in rows)
    return folder


@pytest.fixture(scope="module")
def run(named: Path, tiny: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    train(tiny(data={"folder": named}), out)
    return out


def test_no_name_of_a_person_a_frame_or_a_path_is_in_the_bundle(run: Path, named: Path) -> None:
    frames = [name.encode() for name in load_dataset(named).names]
    for file in (run / "bundle").iterdir():
        content = file.read_bytes()
        for private in (b"Doe-Jane", b"Dr-Roe", b"ward7", *frames):
            assert private not in content, f"{private!r} in {file.name}"


def test_the_bundle_knows_how_much_a_nerve_covers_in_the_frames_to_fit(run: Path, named: Path) -> None:
    fitted = json.loads((run / "split.json").read_text())["folds"][0]["fit"]
    samples = [sample for sample in load_dataset(named) if sample.frame.source.removeprefix(f"{named}/") in fitted]
    shares = [(sample.labels == 1).mean() for sample in samples if (sample.labels == 1).any()]
    assert len(samples) == len(fitted)
    assert Bundle.open(run / "bundle").config.nerve_share == pytest.approx(np.median(shares))


def test_the_runs_own_scores_keep_the_names(run: Path) -> None:
    assert "Doe-Jane" in (run / "scores.json").read_text()
    assert "Dr-Roe" in (run / "scores.json").read_text()


def test_a_bundle_without_names_scores_the_same_frames_by_the_same_subjects(run: Path, named: Path) -> None:
    again = evaluate(run / "bundle", load_dataset(named))
    assert again.scores.to_json() == (run / "scores.json").read_text()
    assert all(result.group.startswith("Doe-Jane") for result in again.results)


def test_the_card_says_what_it_is_not_and_how_it_was_split(run: Path) -> None:
    card = (run / "bundle" / "card.md").read_text()
    assert "Not a medical device" in card
    assert "by subject" in card
    assert "| Dice |" in card
    assert re.search(r"time and machine: \d+\.\d minutes of steps on \d+ cores of \S", card)
    assert "licence of the data: not said" in card


def test_the_card_tells_the_dice_of_small_and_of_deep_nerves(run: Path) -> None:
    card = (run / "bundle" / "card.md").read_text()
    scores = json.loads((run / "scores.json").read_text())["overall"]["classes"]["nerve"]["conditions"]
    for condition in ("size", "depth"):
        for part in scores[condition]["parts"]:
            assert f"| {part['lowest']:.3f} to {part['highest']:.3f} | {part['dice']['value']:.3f}" in card
