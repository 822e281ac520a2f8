"""What the plan brings: trainings of one budget, planned and with fixed settings, on the same split.

Both are trained at once, on a thread each, seed after seed; a run that is there already is not trained again. The
fixed settings are those that the default had before there was a plan. The difference is that of a frame's Dice, mean of
the seeds, planned minus fixed, groups resampled.

    python benchmarks/planned_against_fixed.py --data ../shared/data/usgra-seg --budget 10m --runs runs
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


def train_both(folder: Path, division: Path, runs: Path, budget: str, seed: int) -> None:
    """Train what is not there yet, both ways at once."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    begun = []
    for way, settings in WAYS.items():
        out = runs / f"{folder.name}-{way}-{seed}"
        if not (out / "scores.json").is_file():
            told = ["--split", str(division), "--budget", budget, "--workers", "0", "--seed", str(seed), *settings]
            command = [str(Path(sys.executable).parent / "sononerve"), "train", str(folder), "--out", str(out), *told]
            begun.append(subprocess.Popen(command, env=environment))
    if any(process.wait() for process in begun):
        raise SystemExit(f"{folder.name}, seed {seed}: a training failed")


def dice(results: tuple[FrameResult, ...], name: str) -> dict[str, float]:
    """Of each frame that holds the class."""
    return {r.name: value for r in results if (value := r.classes[name].dice) is not None}


def compare(dataset: Dataset, runs: Path, seeds: list[int]) -> dict[str, object]:
    """Each run's choices and scores, and by class the means and the difference with intervals."""
    scored: dict[str, list[tuple[FrameResult, ...]]] = {way: [] for way in WAYS}
    told: dict[str, object] = {}
    for way in WAYS:
        for seed in seeds:
            run = runs / f"{dataset.folder.name}-{way}-{seed}"
            evaluation = evaluate(Bundle.open(run / "bundle"), dataset)
            plan = json.loads((run / "plan.json").read_text())
            scored[way].append(evaluation.results)
            told[f"{way}, seed {seed}"] = {
                "choices": {choice["name"]: choice["value"] for choice in plan["choices"]["reasons"]},
                "step_s": round(plan["step_s"], 3),
                "dice": {
                    name: as_json(found.scores["dice"]) for name, found in evaluation.scores.overall.classes.items()
                },
            }
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
    parser.add_argument("--runs", type=Path, required=True)
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    named = " ".join(folder.name for folder in given.data)
    command = f"python benchmarks/planned_against_fixed.py --data {named} --budget {given.budget} --runs runs"
    told: dict[str, object] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    results: dict[str, object] = {"command": f"{command} --seeds {' '.join(map(str, given.seeds))}"}
    told[given.budget] = results
    for folder in given.data:
        dataset, division = load_dataset(folder), given.runs / f"{folder.name}.split.json"
        if not division.is_file():
            split(dataset).write(division)
        for seed in given.seeds:
            train_both(folder, division, given.runs, given.budget, seed)
        results[folder.name] = found = compare(dataset, given.runs, given.seeds)
        for name in dataset.classes:
            print(folder.name, name, found[f"{name}, mean of seeds"])
        RESULTS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
