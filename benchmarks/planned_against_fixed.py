"""What the plan brings: trainings of one budget, planned and with fixed settings, on the same split.

Both are trained at once, on a thread each, seed after seed; a run that is there already is not trained again. The
fixed settings are those that the default had before there was a plan. The difference is that of a frame's Dice, mean of
the seeds, planned minus fixed, groups resampled. With ``--folds`` every frame is scored, by the fold that held it out.

    python benchmarks/planned_against_fixed.py --data ../shared/data/usgra-seg --budget 10m --runs runs
    python benchmarks/planned_against_fixed.py --data ../shared/data/usgra-seg --folds 3 --seeds 0 --runs runs-folds
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from sononerve import load_dataset
from sononerve.data.dataset import Dataset
from sononerve.data.split import split
from sononerve.evaluate.run import evaluate
from sononerve.evaluate.scores import FrameResult
from sononerve.evaluate.statistics import Interval, bootstrap_interval, paired_difference
from sononerve.runtime.bundle import Bundle

RESULTS = Path(__file__).parent / "results" / "planned_against_fixed.json"
WAYS = {
    "planned": [],
    "fixed": [
        *("--size=256", "--batch=16"),
        *(f"--set={s}" for s in ("network.width=48", "canvas.region=frame", "strength=1", "keep=best")),
    ],
}


def train_both(folder: Path, division: Path, runs: Path, budget: str, seed: int, fold: int) -> None:
    """Train what is not there yet, both ways at once."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    begun = []
    for way, settings in WAYS.items():
        out = runs / f"{folder.name}-{way}-{seed}-{fold}"
        if not (out / "scores.json").is_file():
            told = ["--split", str(division), "--fold", str(fold), "--budget", budget, "--seed", str(seed), *settings]
            begin = [str(Path(sys.executable).parent / "sononerve"), "train", str(folder), "--out", str(out)]
            command = [*begin, "--workers", "0", *told]
            begun.append(subprocess.Popen(command, env=environment))
    if any(process.wait() for process in begun):
        raise SystemExit(f"{folder.name}, seed {seed}: a training failed")


def dice(results: tuple[FrameResult, ...], name: str) -> dict[str, float]:
    """Of each frame that holds the class."""
    return {r.name: value for r in results if (value := r.classes[name].dice) is not None}


def compare(dataset: Dataset, runs: Path, seeds: list[int], folds: int) -> dict[str, object]:
    """Each run's choices and scores, and by class the means and the difference with intervals."""
    scored: dict[str, list[tuple[FrameResult, ...]]] = {way: [] for way in WAYS}
    told: dict[str, object] = {}
    for way in WAYS:
        for seed in seeds:
            pooled: list[FrameResult] = []
            for fold in range(folds):
                run = runs / f"{dataset.folder.name}-{way}-{seed}-{fold}"
                evaluation = evaluate(Bundle.open(run / "bundle"), dataset)
                plan = json.loads((run / "plan.json").read_text())
                pooled += evaluation.results
                told[f"{way}, seed {seed}" + (f", fold {fold}" if folds > 1 else "")] = {
                    "choices": {choice["name"]: choice["value"] for choice in plan["choices"]["reasons"]},
                    "step_s": round(plan["step_s"], 3),
                    "dice": {
                        name: as_json(found.scores["dice"]) for name, found in evaluation.scores.overall.classes.items()
                    },
                }
            scored[way].append(tuple(pooled))
    groups = {r.name: r.group for r in scored["planned"][0]}
    for name in dataset.classes:
        tables = {way: [dice(results, name) for results in scored[way]] for way in WAYS}
        frames = list(tables["planned"][0])
        means = {way: [float(np.mean([table[f] for table in tables[way]])) for f in frames] for way in WAYS}
        whose = [groups[f] for f in frames]
        told[f"{name}, mean of seeds"] = {
            **{way: as_json(bootstrap_interval(means[way], whose)) for way in WAYS},
            "planned minus fixed": as_json(paired_difference(means["planned"], means["fixed"], whose)),
        }
    return told


def as_json(found: Interval | None) -> list[float] | None:
    """Value, lower and upper end."""
    if found is None:
        return None
    return [round(value, 4) for value in (found.value, found.low, found.high) if value is not None]


def main() -> None:
    """Train, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--budget", default="10m", help="of each training, which has one thread")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--folds", type=int, default=1, help="1: the default hold-out")
    parser.add_argument("--runs", type=Path, required=True)
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    named = " ".join(folder.name for folder in given.data)
    command = f"python benchmarks/planned_against_fixed.py --data {named} --budget {given.budget} --runs runs"
    told: dict[str, object] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    command += f" --seeds {' '.join(map(str, given.seeds))}"
    key = given.budget if given.folds == 1 else f"{given.budget}, {given.folds} folds"
    results: dict[str, object] = {"command": command if given.folds == 1 else f"{command} --folds {given.folds}"}
    told[key] = results
    for folder in given.data:
        dataset, division = load_dataset(folder), given.runs / f"{folder.name}.split.json"
        if not division.is_file():
            split(dataset, folds=given.folds).write(division)
        for seed in given.seeds:
            for fold in range(given.folds):
                train_both(folder, division, given.runs, given.budget, seed, fold)
        results[folder.name] = found = compare(dataset, given.runs, given.seeds, given.folds)
        for name in dataset.classes:
            print(folder.name, name, found[f"{name}, mean of seeds"])
        RESULTS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
