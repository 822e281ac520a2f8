"""What a second look brings: networks that have learned from close-ups, scored with it and without.

python scripts/second_look.py usgra-seg close-ups/runs/close-ups-fold0-seed0 ... --out second_look.json

Each run is scored on its own test part. A frame's score is its mean over the runs, which must be seeds of one split;
differences are paired by frame, groups resampled.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.evaluate.run import Evaluation, evaluate
from sononerve.evaluate.statistics import Interval, bootstrap_interval, paired_difference
from sononerve.process import keep_memory
from sononerve.runtime.bundle import Bundle
from sononerve.runtime.ways import ONCE, Ways

SCORES = ("dice", "surface_dice", "hd95", "outside")


def main() -> None:
    """Score, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    told = parser.parse_args()
    keep_memory()
    dataset = load_dataset(told.data)
    once, twice = (_evaluations(told.runs, dataset, ways) for ways in (ONCE, Ways(second_look=True)))
    groups = {result.name: result.group for result in once[0].results}
    rows = {
        f"{name}, {score}": _row(_means(once, name, score), _means(twice, name, score), groups)
        for name in dataset.classes
        for score in SCORES
    }
    for label, row in rows.items():
        print(label, json.dumps(row))
    result = {"data": told.data.resolve().name, "runs": [run.name for run in told.runs], "rows": rows}
    told.out.write_text(json.dumps(result, indent=1) + "\n")


def _evaluations(runs: Sequence[Path], dataset: Dataset, ways: Ways) -> list[Evaluation]:
    return [evaluate(Bundle.open(run), dataset, ways=ways) for run in runs]


def _means(evaluations: Sequence[Evaluation], name: str, score: str) -> dict[str, float]:
    """Each frame's score, in the mean of the runs; frames where it is defined for all of them."""
    tables = [
        {r.name: value for r in one.results if (value := getattr(r.classes[name], score)) is not None}
        for one in evaluations
    ]
    return {frame: float(np.mean([t[frame] for t in tables])) for frame in tables[0] if all(frame in t for t in tables)}


def _row(once: dict[str, float], twice: dict[str, float], groups: dict[str, str]) -> dict[str, object]:
    frames = [frame for frame in once if frame in twice]
    first, second = [once[frame] for frame in frames], [twice[frame] for frame in frames]
    whose = [groups[frame] for frame in frames]
    return {
        "once": _told(bootstrap_interval(first, whose)),
        "twice": _told(bootstrap_interval(second, whose)),
        "gain": _told(paired_difference(second, first, whose)),
    }


def _told(found: Interval) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in (found.value, found.low, found.high)]


if __name__ == "__main__":
    main()
