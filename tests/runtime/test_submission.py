"""Kaggle's submission: a row for each frame by its number, which an independent reader turns back into the masks."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bright import bright_files, bright_frame
from PIL import Image

from sononerve.io.images import write_tiff
from sononerve.runtime.bundle import write_bundle


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Frames 10, 9 and 100: nerve and vessel, nothing, and nerve in another size."""
    folder = tmp_path / "test"
    write_tiff(folder / "10.tif", bright_frame(vessel=True))
    write_tiff(folder / "9.tif", np.zeros((20, 30), np.uint8))
    write_tiff(folder / "100.tif", bright_frame(30, 50))
    return folder


@pytest.fixture
def both_bundle(tmp_path: Path) -> Path:
    """A bundle that knows the vessel first, so that the nerve is label 2."""
    write_bundle(tmp_path / "both", bright_files(("vessel", "nerve")))
    return tmp_path / "both"


@pytest.fixture
def predict(cli: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Call ``sononerve predict``: exit status, standard output, standard error."""
    return lambda *arguments: cli("predict", *arguments)


def decoded(path: Path, sizes: dict[int, tuple[int, int]]) -> dict[int, np.ndarray]:
    """By the competition's definition: pixels are numbered from 1, top to bottom, then left to right."""
    masks = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            height, width = sizes[int(row["img"])]
            mask = np.zeros((height, width), bool)
            numbers = [int(word) for word in row["pixels"].split()]
            for start, length in zip(numbers[::2], numbers[1::2], strict=True):
                for pixel in range(start - 1, start - 1 + length):
                    mask[pixel % height, pixel // height] = True
            masks[int(row["img"])] = mask
    return masks


def check(path: Path, out: Path, label: int = 1) -> None:
    """The file holds exactly the masks that were written, in the order of the numbers."""
    pictures = {int(p.stem): np.asarray(Image.open(p)) for p in out.glob("*.png")}
    masks = decoded(path, {number: picture.shape for number, picture in pictures.items()})
    assert list(masks) == sorted(pictures)
    assert all(np.array_equal(masks[n], pictures[n] == label) for n in pictures)


def test_an_independent_reader_finds_the_masks(predict, bundle, frames, tmp_path) -> None:
    target = tmp_path / "new" / "submission.csv"
    assert predict(frames, "--model", bundle, "--out", tmp_path / "out", "--submission", target)[0] == 0
    check(target, tmp_path / "out")
    lines = target.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["img", "9", "10", "100"]
    assert lines[1] == "9,"


def test_of_several_classes_it_is_the_nerve(predict, both_bundle, frames, tmp_path) -> None:
    target = tmp_path / "submission.csv"
    predict(frames, "--model", both_bundle, "--out", tmp_path / "out", "--submission", target)
    check(target, tmp_path / "out", label=2)


def test_a_failed_file_leaves_no_submission_and_resuming_makes_the_whole(predict, bundle, frames, tmp_path) -> None:
    good = (frames / "9.tif").read_bytes()
    (frames / "9.tif").write_bytes(good[:30])
    target, out = tmp_path / "submission.csv", tmp_path / "out"
    options = [frames, "--model", bundle, "--out", out, "--submission", target]
    status, _, told = predict(*options)
    assert status == 1
    assert "submission.csv: not written, for it needs every frame" in told
    assert not target.exists()
    (frames / "9.tif").write_bytes(good)
    status, told, _ = predict(*options, "--resume")
    assert status == 0
    check(target, out)
    assert "1 predicted, 2 done before" in told


def test_what_is_there_is_replaced_only_when_told(predict, bundle, frames, tmp_path) -> None:
    target, out = tmp_path / "submission.csv", tmp_path / "out"
    target.write_text("mine")
    options = [frames, "--model", bundle, "--out", out, "--submission", target]
    assert predict(*options)[0] == 2
    assert target.read_text() == "mine"
    assert not out.exists()
    assert predict(*options, "--overwrite")[0] == 0
    check(target, out)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a.tif", "is not called by a number; expected names such as 17.tif"),
        ("1_1.tif", "is not called by a number"),
        ("٣.tif", "is not called by a number"),
        ("010.tif", "have one number; keep one of the two"),
    ],
)
def test_names_that_are_no_numbers_are_refused_before_any_work(predict, bundle, frames, tmp_path, name, fault) -> None:
    write_tiff(frames / name, bright_frame())
    options = ["--model", bundle, "--out", tmp_path / "out", "--submission", tmp_path / "s.csv"]
    status, _, told = predict(frames, *options)
    assert status == 2
    assert fault in told
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_know_the_nerve_is_refused(predict, frames, tmp_path) -> None:
    write_bundle(tmp_path / "other", bright_files(("plexus",)))
    options = ["--model", tmp_path / "other", "--out", tmp_path / "out", "--submission", tmp_path / "s.csv"]
    status, _, told = predict(frames, *options)
    assert status == 2
    assert "the model knows plexus; expected the class nerve" in told
