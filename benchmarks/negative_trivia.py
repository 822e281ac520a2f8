"""Whether trivia tell crops with a nerve from crops without: place, brightness, dark border, and finer statistics.

A logistic regression on the trivia, their squares and products is fitted to all clusters but a fifth and asked about
that fifth, five times; AUROC over all crops, intervals over clusters. 0.5: the trivia tell nothing. `places drawn`:
crops at random places, for comparison. `chosen`: as `sononerve negatives` writes them. `finer` adds what was not made
alike: quantiles, brightness of the four edges, differences of neighbouring rows and columns.

    python benchmarks/negative_trivia.py --data ../shared/data/usgra-seg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.negatives import FATES, Crop, NegativesConfig, draw_crops
from sononerve.data.split import find_groups
from sononerve.evaluate.statistics import bootstrap_auroc

FloatArray = NDArray[np.float64]
FOLDS, RIDGE, STEPS = 5, 1.0, 30
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


def held_out_scores(rows: FloatArray, present: FloatArray, clusters: list[str], order: int) -> FloatArray:
    """What a regression that has not seen its cluster says of each crop."""
    names = sorted(set(clusters))
    fold_of = dict(zip(names, np.random.default_rng(0).permutation(len(names)) % FOLDS, strict=True))
    folds = np.array([fold_of[name] for name in clusters])
    scores = np.zeros(len(rows))
    for fold in range(FOLDS):
        seen, asked = folds != fold, folds == fold
        centre, spread = rows[seen].mean(0), np.maximum(rows[seen].std(0), 1e-9)
        known, new = (((part - centre) / spread).clip(-3, 3) for part in (rows[seen], rows[asked]))
        if order == 2:
            known, new = second_order(known), second_order(new)
        scores[asked] = new @ fit_logistic(known, present[seen])
    return scores


def finer(dataset: Dataset, crops: list[Crop]) -> FloatArray:
    """Grey quantiles, means of the four edges, differences of neighbours: ``(n, 9)``."""
    rows = []
    for crop in crops:
        area = crop.area
        grey = dataset[crop.index].frame.pixels[area.top : area.bottom, area.left : area.right].astype(float)
        strip = max(1, min(grey.shape) // 10)
        edges = grey[:strip], grey[-strip:], grey[:, :strip], grey[:, -strip:]
        steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)]
        rows.append([*np.quantile(grey, (0.05, 0.5, 0.95)), *(edge.mean() for edge in edges), *steps])
    return np.array(rows)


def measure(dataset: Dataset, clusters: list[str], config: NegativesConfig) -> dict[str, object]:
    """The AUROCs of one way to draw, and how many frames gave crops."""
    drawn = draw_crops(dataset, config)
    crops = list(drawn.chosen)
    present = np.array([crop.present for crop in crops])
    homes = [clusters[crop.index] for crop in crops]
    trivia = np.array([crop.trivia for crop in crops])
    fine = np.column_stack([trivia, finer(dataset, crops)])
    found = {}
    for name, rows, order in (("trivia, linear", trivia, 1), ("trivia", trivia, 2), ("finer, linear", fine, 1)):
        area = bootstrap_auroc(held_out_scores(rows, present.astype(float), homes, order), present, homes)
        if area is not None:
            found[name] = {key: round(value, 3) for key, value in vars(area).items() if key in ("value", "low", "high")}
    means = {str(kind): trivia[present == kind].mean(0).round(3).tolist() for kind in (False, True)}
    fates = {str(size): {fate: counts[fate] for fate in FATES} for size, counts in drawn.fates.items()}
    return {"crops": len(crops), "clusters": len(set(homes)), "auroc": found, "means": means, "frames": fates}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "negative_trivia.json")
    given = parser.parse_args()
    dataset = load_dataset(given.data)
    clusters = find_groups(dataset)[1]
    ways = {f"places drawn {seed}": NegativesConfig(draws=RANDOM, seed=seed) for seed in range(3)}
    ways |= {f"chosen {seed}": NegativesConfig(seed=seed) for seed in range(3)}
    ways |= {f"chosen, size {size} alone": NegativesConfig(sizes=(size,)) for size in (0.25, 0.3, 0.4, 0.5, 0.6)}
    results: dict[str, object] = {}
    for name, config in ways.items():
        results[name] = found = measure(dataset, clusters, config)
        print(f"{name:24} {found['crops']} crops  {found['auroc']}", flush=True)
    given.out.write_text(json.dumps({"data": given.data.name, "ways": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
