"""Whether trivia tell crops with a nerve from crops without: place, brightness, dark border, and finer statistics.

The clusters of a data set are divided in three. Crops of two thirds are chosen, and a logistic regression is fitted to
them; it is asked about crops of the last third, which are chosen on their own: chosen together, a surplus on one side
is made up for on the other, and every area comes out below 0.5. AUROC over the crops of all thirds, intervals over
clusters. 0.5: the numbers tell nothing. `places drawn`: crops at random places, for comparison. `chosen`: as `sononerve
negatives` writes them.

    python benchmarks/negative_trivia.py --data ../shared/data/usgra-seg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.negatives import Crop, NegativesConfig, draw_crops
from sononerve.data.split import find_groups
from sononerve.evaluate.statistics import bootstrap_auroc

FloatArray = NDArray[np.float64]
FOLDS, RIDGE, STEPS = 3, 1.0, 30
SIZES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
RANDOM = 1  # draws: a single place of each kind leaves nothing to choose


def second_order(rows: FloatArray) -> FloatArray:
    """A constant, the features, their squares and products, ``(n, 1 + F + F (F + 1) / 2)``."""
    upper = np.triu_indices(rows.shape[1])
    return np.column_stack([np.ones(len(rows)), rows, rows[:, upper[0]] * rows[:, upper[1]]])


def fit_logistic(rows: FloatArray, present: FloatArray) -> FloatArray:
    """Weights of a logistic regression with a ridge, by Newton's steps."""
    weights = np.zeros(rows.shape[1])
    ridge = RIDGE * np.eye(rows.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(rows @ weights).clip(-30, 30)))
        slope = rows.T @ (present - chance) - ridge @ weights
        bend = (rows * (chance * (1 - chance))[:, None]).T @ rows + ridge
        weights += np.linalg.solve(bend, slope)
    return weights


def held_out_scores(fitted: FloatArray, present: FloatArray, asked: FloatArray, order: int) -> FloatArray:
    """What a regression on ``fitted`` says of ``asked``."""
    centre, spread = fitted.mean(0), np.maximum(fitted.std(0), 1e-9)
    known, new = (((part - centre) / spread).clip(-3, 3) for part in (fitted, asked))
    expand = second_order if order == 2 else lambda rows: np.column_stack([np.ones(len(rows)), rows])
    return np.asarray(expand(new) @ fit_logistic(expand(known), present))


def finer(dataset: Dataset, crops: Sequence[Crop]) -> tuple[FloatArray, FloatArray]:
    """Means of the four edges ``(n, 4)``; grey quantiles and differences of neighbouring pixels ``(n, 5)``."""
    edges, texture = [], []
    for index, together in groupby(crops, lambda crop: crop.index):
        pixels = dataset[index].frame.pixels
        for crop in together:
            area = crop.area
            grey = pixels[area.top : area.bottom, area.left : area.right].astype(float)
            strip = max(1, min(grey.shape) // 10)
            sides = grey[:strip], grey[-strip:], grey[:, :strip], grey[:, -strip:]
            edges.append([side.mean() for side in sides])
            steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)]
            texture.append([*np.quantile(grey, (0.05, 0.5, 0.95)), *steps])
    return np.array(edges), np.array(texture)


def features(dataset: Dataset, crops: Sequence[Crop]) -> dict[str, tuple[FloatArray, int]]:
    """What the regressions are given, by name, and up to which order."""
    trivia = np.array([crop.trivia for crop in crops])
    edges, texture = finer(dataset, crops)
    return {
        "trivia": (trivia, 1),
        "trivia, squares and products": (trivia, 2),
        "trivia and edges": (np.column_stack([trivia, edges]), 1),
        "trivia and texture": (np.column_stack([trivia, texture]), 1),
    }


def measure(dataset: Dataset, clusters: list[str], config: NegativesConfig) -> dict[str, object]:
    """The areas of one way to draw: over all crops, and over those of each size."""
    names = sorted(set(clusters))
    fold_of = dict(zip(names, np.random.default_rng(0).permutation(len(names)) % FOLDS, strict=True))
    folds = np.array([fold_of[name] for name in clusters])
    scores: dict[str, list[float]] = {}
    asked: list[Crop] = []
    homes: list[str] = []
    for fold in range(FOLDS):
        inner, outer = (dataset.select(np.flatnonzero((folds == fold) == held).tolist()) for held in (False, True))
        fitted, new = draw_crops(inner, config).chosen, draw_crops(outer, config).chosen
        present = np.array([crop.present for crop in fitted], float)
        known, others = features(inner, fitted), features(outer, new)
        for name, (rows, order) in known.items():
            said = held_out_scores(rows, present, others[name][0], order)
            scores.setdefault(name, []).extend(said.tolist())
        asked += new
        homes += [clusters[i] for i in np.flatnonzero(folds == fold)[[crop.index for crop in new]]]

    def area(name: str, chosen: list[int]) -> dict[str, float]:
        present = [asked[i].present for i in chosen]
        found = bootstrap_auroc([scores[name][i] for i in chosen], present, [homes[i] for i in chosen])
        return {} if found is None else {key: round(getattr(found, key), 3) for key in ("value", "low", "high")}

    everything = list(range(len(asked)))
    of_size = {size: [i for i in everything if asked[i].size == size] for size in config.sizes}
    return {
        "crops": len(asked),
        "clusters": len(set(homes)),
        "auroc": {name: area(name, everything) for name in scores},
        "auroc_of_sizes": {str(size): {name: area(name, of_size[size]) for name in scores} for size in config.sizes},
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "negative_trivia.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    dataset = load_dataset(given.data)
    clusters = find_groups(dataset)[1]
    ways = {f"places drawn, seed {seed}": NegativesConfig(draws=RANDOM, seed=seed) for seed in given.seeds}
    ways |= {f"chosen, seed {seed}": NegativesConfig(seed=seed) for seed in given.seeds}
    results: dict[str, object] = {}
    for name, config in ways.items():
        results[name] = found = measure(dataset, clusters, config)
        print(f"{name:22} {found['crops']} crops  {found['auroc']}", flush=True)
    fates = draw_crops(dataset, NegativesConfig(sizes=SIZES, draws=RANDOM)).fates
    for size, counts in fates.items():
        print(f"size {size}: {counts}")
    results["frames_by_size"] = {str(size): counts for size, counts in fates.items()}
    given.out.write_text(json.dumps({"data": given.data.name, "ways": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
