"""Bundles whose answers are known, and a labelled data set to score them on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))  # bright.py lives there

from bright import NERVE, bright_files

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Split, split
from sononerve.io.images import write_png
from sononerve.runtime.bundle import Bundle, write_bundle

SUBJECTS, EACH = 6, 4
Make = Callable[..., Bundle]


def frame_and_mask(subject: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame that `bright` segments, and the truth: off by so many columns as the number says; none in the last."""
    rng = np.random.default_rng([subject, number])
    pixels = rng.integers(0, 60, (40, 50)).astype(np.uint8)
    truth = np.zeros((40, 50), np.uint8)
    if number < EACH - 1:
        pixels[10:20, 10:30] = NERVE
        truth[10:20, 10 + number : 30 + number] = 1
    elif subject % 2:
        pixels[0:2, 0:2] = NERVE
    return pixels, truth


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six subjects with four frames each; the last has no nerve, and every other subject has a false positive there."""
    home = tmp_path_factory.mktemp("scored") / "frames"
    lines = ["image,mask,subject,annotator"]
    for subject in range(SUBJECTS):
        for number in range(EACH):
            pixels, truth = frame_and_mask(subject, number)
            write_png(home / "images" / f"s{subject}_{number}.png", pixels)
            write_png(home / "masks" / f"s{subject}_{number}.png", truth)
            who = "Anna" if number % 2 else "Ben"
            lines.append(f"images/s{subject}_{number}.png,masks/s{subject}_{number}.png,S{subject},{who}")
    (home / "manifest.csv").write_text("\n".join(lines) + "\n")
    return home


@pytest.fixture(scope="session")
def dataset(folder: Path) -> Dataset:
    return load_dataset(folder)


@pytest.fixture(scope="session")
def division(dataset: Dataset) -> Split:
    """By subject, two of six held out."""
    return split(dataset, test=0.34, tune=0.2)


@pytest.fixture(scope="session")
def leaky(dataset: Dataset) -> Split:
    """By frame."""
    return split(dataset, leaky_frame_split=True)


@pytest.fixture
def bright(tmp_path: Path) -> Make:
    """Make a bundle that says it was trained with a split."""

    def make(split: Split | None = None, classes: tuple[str, ...] = ("nerve",), name: str = "model") -> Bundle:
        write_bundle(tmp_path / name / "bundle", bright_files(classes, split))
        return Bundle.open(tmp_path / name)

    return make
