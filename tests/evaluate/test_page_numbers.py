"""The numbers of the page, made a second time: from the masks on disk, by other code."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from skimage.measure import regionprops

from sononerve.data.dataset import Dataset
from sononerve.evaluate.report.folder import write_evaluation
from sononerve.evaluate.run import evaluate
from sononerve.runtime.bundle import Bundle
from sononerve.runtime.files import Wanted, predict_files
from sononerve.runtime.predictor import Predictor

Pairs = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def pairs(bright: Callable[..., Bundle], dataset: Dataset, tmp_path: Path) -> Pairs:
    """True and predicted masks of every frame, as files."""
    files = sorted((dataset.folder / "images").iterdir())
    predict_files(Predictor(bright(name="again")), files, tmp_path / "masks", Wanted(overlays=False))
    return [
        (
            np.asarray(Image.open(dataset.folder / "masks" / file.name)),
            np.asarray(Image.open(tmp_path / "masks" / file.name)),
        )
        for file in files
    ]


@pytest.fixture
def shown(bright: Callable[..., Bundle], dataset: Dataset, tmp_path: Path) -> dict[str, str]:
    """The page's table of all frames: the text beside each name."""
    page = write_evaluation(evaluate(bright(), dataset), tmp_path / "out").read_text()
    table = re.findall(r"<table><caption>All frames.*?</table>", page, re.DOTALL)[0]
    rows = re.findall(r"<tr><td[^>]*><a [^>]*>(.*?)</a></td><td>(.*?)</td>", table)
    return {unescape(name): unescape(text) for name, text in rows}


def overlap(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """By ITK."""
    found = sitk.LabelOverlapMeasuresImageFilter()
    found.Execute(sitk.GetImageFromArray(truth), sitk.GetImageFromArray(predicted))
    return {"Dice": found.GetDiceCoefficient(), "IoU": found.GetJaccardCoefficient()}


def distance(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Of the centroids, by scikit-image."""
    (one,), (other,) = regionprops(truth), regionprops(predicted)
    return float(np.hypot(*np.subtract(one.centroid, other.centroid)))


def test_the_page_says_what_the_masks_say(pairs: Pairs, shown: dict[str, str]) -> None:
    filled = [(truth, found) for truth, found in pairs if truth.any()]
    empty = [found for truth, found in pairs if not truth.any()]
    for name in ("Dice", "IoU"):
        mean = np.mean([overlap(truth, found)[name] for truth, found in filled])
        assert shown[name].startswith(f"{mean:.3f} [")
    assert shown["binary accuracy"].startswith(f"{np.mean([np.mean(t == f) for t, f in pairs]):.3f} [")
    assert shown["precision"].startswith(f"{np.mean([t[f > 0].mean() for t, f in filled]):.3f} [")
    assert shown["recall"].startswith(f"{np.mean([f[t > 0].mean() for t, f in filled]):.3f} [")
    marked = [(f & ~t.astype(bool)).sum() / (t == 0).sum() for t, f in pairs]
    assert shown["background marked"].startswith(f"{np.mean(marked):.3f} [")
    assert shown["false-positive rate, empty frames"].startswith(f"{np.mean([f.any() for f in empty]):.3f} [")
    assert shown["centroid distance"].startswith(f"{np.mean([distance(t, f) for t, f in filled]):.1f} px [")
    apart = np.array([int(f.sum()) - int(t.sum()) for t, f in filled])
    assert shown["area, predicted - true"].startswith(f"{apart.mean():.1f} px [")
    low, high = (apart.mean() + sign * 1.96 * apart.std(ddof=1) for sign in (-1, 1))
    assert shown["limits of agreement"] == f"{low:.1f} to {high:.1f} px"
    assert shown["frames with / without"] == f"{len(filled)} / {len(empty)}"
