"""Kaggle's way from end to end: a folder in its shape trains, and its test frames become a submission."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sononerve.data.dataset import load_dataset


def sononerve(*words: object) -> str:
    """What a command that must go well prints, in one thread."""
    command = [sys.executable, "-c", "from sononerve.cli import main; main()", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom in Kaggle's shape, one subject held out, and a model trained on it."""
    folder = tmp_path_factory.mktemp("kaggle")
    sononerve("phantom", "--subjects", 8, "--frames", 4, "--size", 48, "--empty", 0.3, "--out", folder / "frames")
    sononerve("split", folder / "frames", "--out", folder / "split.json")
    out = ["--split", folder / "split.json", "--out", folder / "kaggle"]
    sononerve("convert", folder / "frames", "--to", "kaggle", *out)
    small = ["--set", "steps=30", "--set", "network.width=8", "--size", 48, "--precision", 32, "--workers", 0]
    sononerve("train", folder / "kaggle", "--batch", 8, "--learning-rate", 0.01, "--out", folder / "run", *small)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    """A table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def decoded(pixels: str, height: int, width: int) -> np.ndarray:
    """A mask by the competition's definition: pixels from 1, down the columns, then to the right."""
    mask = np.zeros((height, width), bool)
    numbers = [int(word) for word in pixels.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for pixel in range(start - 1, start - 1 + length):
            mask[pixel % height, pixel // height] = True
    return mask


def test_the_folder_is_named_and_shaped_as_kaggles(home: Path) -> None:
    names = [path.name for path in (home / "kaggle" / "train").iterdir()]
    assert all(re.fullmatch(r"\d+_\d+(_mask)?\.tif", name) for name in names)
    table = rows(home / "kaggle" / "train_masks.csv")
    assert list(table[0]) == ["subject", "img", "pixels"]
    assert len(table) == len(names) / 2
    for row in table:
        with Image.open(home / "kaggle" / "train" / f"{row['subject']}_{row['img']}_mask.tif") as mask:
            assert np.array_equal(np.asarray(mask), decoded(row["pixels"], 48, 48) * np.uint8(255))
    tested = sorted(int(path.stem) for path in (home / "kaggle" / "test").iterdir())
    assert tested == list(range(1, len(tested) + 1))
    assert len(tested) + len(table) == 32


def test_the_submission_is_read_back_exactly(home: Path) -> None:
    out, target = home / "masks", home / "submission.csv"
    sononerve("predict", home / "kaggle" / "test", "--model", home / "run", "--out", out, "--submission", target)
    submitted = rows(target)
    assert [int(row["img"]) for row in submitted] == sorted(int(path.stem) for path in out.glob("*.png"))
    found = 0
    for row in submitted:
        with Image.open(out / f"{row['img']}.png") as mask:
            assert np.array_equal(decoded(row["pixels"], 48, 48), np.asarray(mask) == 1)
        found += row["pixels"] != ""
    assert found, "no nerve in any frame: the comparison would say nothing"


def test_the_truth_of_the_held_out_frames_is_kept_apart(home: Path) -> None:
    truth = {row["img"]: row["pixels"] for row in rows(home / "kaggle" / "solution.csv")}
    original = load_dataset(home / "frames")
    renamed = {row["name"]: row["original"] for row in rows(home / "kaggle" / "names.csv")}
    for number, pixels in truth.items():
        labels = original[original.names.index(renamed[f"test/{number}.tif"])].labels
        assert np.array_equal(decoded(pixels, 48, 48), labels == 1)
