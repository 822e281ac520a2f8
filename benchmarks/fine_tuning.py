"""What labelling more frames brings: trainings that go on from a model, and trainings from nothing, by how many.

    python benchmarks/fine_tuning.py brachial-plexus --model realtime --work fine-tuning

What a user gets who labels so many frames: "from nothing" is the network that `sononerve train` takes by default, and
not that of the model. The subjects of one hold-out are scored, always the same. Of the other subjects so many frames
are drawn, subject after subject in turn, as somebody would label a few frames of each; a fifth of these subjects tunes.
Each training is one command with the same budget; one that is in ``--work`` already is not trained again, so the curve
may grow over several sittings. With no frame at all the model is scored as it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

import numpy as np

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Fold, Split, split
from sononerve.evaluate.report.plot import drawing, finished, tone
from sononerve.evaluate.run import Evaluation, evaluate
from sononerve.evaluate.statistics import Interval, paired_difference
from sononerve.io.atomic import write_bytes, write_text
from sononerve.process import processor
from sononerve.runtime.bundle import Bundle

RESULT = Path(__file__).parent / "results" / "fine_tuning.json"
BESIDE = 0.05  # of the distance of two counts: so that the bars of both ways are seen
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "fine_tuning.png"
WAYS = ("from the model", "from nothing")
TUNED = 0.2  # of the subjects whose frames are labelled


class Scored(TypedDict):
    """Nerve Dice, the mean of several seeds, and that of each with its interval; how many empty frames are marked."""

    dice: float
    of_seeds: list[dict[str, float | None]]
    empty_marked: list[dict[str, float | None]]


def labelled(division: Split, count: int, seed: int) -> Split:
    """The hold-out with so many frames left to fit and tune, those of its subjects in turn; the test part as it is."""
    fold, rng = division.fold(0), np.random.default_rng(seed)
    by_group: dict[str, list[str]] = {}
    for name in (*fold.fit, *fold.tune):
        by_group.setdefault(division.groups[name], []).append(name)
    groups = rng.permutation(sorted(by_group)).tolist()
    for group in groups:
        by_group[group] = rng.permutation(by_group[group]).tolist()
    drawn = list(_in_turn([by_group[group] for group in groups]))[:count]
    met = list(dict.fromkeys(division.groups[name] for name in drawn))
    tuned = set(met[-max(1, round(TUNED * len(met))) :])
    tune = tuple(name for name in drawn if division.groups[name] in tuned)
    fit = tuple(name for name in drawn if division.groups[name] not in tuned)
    return division.model_copy(update={"folds": (Fold(fit=fit, tune=tune, test=fold.test),)})


def _in_turn(lists: list[list[str]]) -> Iterator[str]:
    for place in range(max(map(len, lists))):
        yield from (one[place] for one in lists if place < len(one))


def trained(told: argparse.Namespace, division: Split, count: int, seed: int, way: str) -> Path:
    """The folder of a training; it is trained where it is not there yet."""
    begun_with = Bundle.open(told.model).identity if way == WAYS[0] else "nothing"
    name = f"{begun_with}-{told.size}-{told.budget}-{count}-seed{seed}"
    work: Path = told.work
    run, file = work / name, work / f"{count}-seed{seed}.json"
    if not (run / "scores.json").is_file():
        labelled(division, count, seed).write(file)
        words = ["--from", told.model] if way == WAYS[0] else []
        begun = ["--resume"] if run.is_dir() else []
        command = [str(Path(sys.executable).parent / "sononerve"), "train", str(told.data), "--out", str(run)]
        command += ["--split", str(file), "--budget", told.budget, "--seed", str(seed), "--size", str(told.size)]
        subprocess.run([*command, *words, *begun], check=True)
    return run


def scored(evaluations: list[Evaluation]) -> Scored:
    """The nerve's Dice over the test part, and the share of its frames without a nerve in which one is marked."""
    nerves = [evaluation.scores.overall.classes["nerve"] for evaluation in evaluations]
    found = [dice for nerve in nerves if (dice := nerve.scores["dice"]) is not None]
    return {
        "dice": float(np.mean([one.value for one in found])),
        "of_seeds": [as_json(one) for one in found],
        "empty_marked": [as_json(nerve.false_positive_rate) for nerve in nerves if nerve.false_positive_rate],
    }


def as_json(found: Interval) -> dict[str, float | None]:
    """The mean and its interval."""
    return {"value": found.value, "low": found.low, "high": found.high}


def gained(first: list[Evaluation], second: list[Evaluation]) -> dict[str, float | None]:
    """How much more Dice the first have, paired by frame, means of the seeds, groups resampled."""
    tables = [[_dice(evaluation) for evaluation in some] for some in (first, second)]
    frames = list(tables[0][0])
    means = [[float(np.mean([table[frame] for table in some])) for frame in frames] for some in tables]
    groups = {result.name: result.group for result in first[0].results}
    return as_json(paired_difference(means[0], means[1], [groups[frame] for frame in frames]))


def _dice(evaluation: Evaluation) -> dict[str, float]:
    return {r.name: dice for r in evaluation.results if (dice := r.classes["nerve"].dice) is not None}


def row(told: argparse.Namespace, dataset: Dataset, division: Split, count: int) -> dict[str, object]:
    """What one number of labelled frames gives."""
    if count == 0:
        return {
            "frames": 0,
            WAYS[0]: scored([evaluate(Bundle.open(told.model), dataset.select(_test(division, dataset)))]),
        }
    found = {way: [evaluate(trained(told, division, count, seed, way), dataset) for seed in told.seeds] for way in WAYS}
    fold = labelled(division, count, 0).fold(0)
    return {
        "frames": len(fold.fit) + len(fold.tune),
        **{way: scored(evaluations) for way, evaluations in found.items()},
        "gain": gained(found[WAYS[0]], found[WAYS[1]]),
    }


def _test(division: Split, dataset: Dataset) -> list[int]:
    return division.indices(dataset, 0, "test")


def picture(rows: list[dict[str, object]], title: str) -> bytes:
    """A PNG of the Dice by the number of labelled frames, for both ways; bars are 95 % intervals of the first seed."""
    with drawing() as (figure, ax):
        for number, way in enumerate(WAYS, start=1):
            found = {place: cast(Scored, row[way]) for place, row in enumerate(rows) if way in row}
            if not found:
                continue
            places = [place + BESIDE * (2 * number - 3) for place in found]
            lows, highs = zip(*(_ends(one["of_seeds"][0]) for one in found.values()), strict=True)
            ax.vlines(places, lows, highs, color=tone(number))
            ax.plot(
                places, [one["dice"] for one in found.values()], color=tone(number), marker="os"[number - 1], label=way
            )
        ax.set_xticks(range(len(rows)), [str(row["frames"]) for row in rows])
        ax.set(xlabel="labelled frames", ylabel="nerve Dice of held-out subjects", ylim=(0, 1), title=title)
        ax.legend(loc="upper left")
        return finished(figure, "fine_tuning", title, (), ()).png


def _ends(found: dict[str, float | None]) -> tuple[float, float]:
    value = cast(float, found["value"])
    return value if found["low"] is None else found["low"], value if found["high"] is None else found["high"]


def main() -> None:
    """Train and score what is missing; write after every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", required=True, help="to begin with: a name, a run or a bundle")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[0, 5, 20, 50, 200])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument(
        "--out", type=Path, default=RESULT, help="the numbers; other ones than the usual have no picture"
    )
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(told.data)
    division = split(dataset)
    rows = []
    for count in told.counts:
        rows.append(row(told, dataset, division, count))
        print(json.dumps(rows[-1]), flush=True)
        result = {
            "data": told.data.resolve().name,
            "split": division.statement,
            "model": Path(told.model).stem,
            "identity": Bundle.open(told.model).identity,
            "size": told.size,
            "budget": told.budget,
            "seeds": told.seeds,
            "processor": processor(),
            "rows": rows,
        }
        write_text(told.out, json.dumps(result, indent=1) + "\n")
    if told.out == RESULT:
        write_bytes(PICTURE, picture(rows, f"Fine-tuning {result['model']} on {result['data']}, {told.budget} each"))


if __name__ == "__main__":
    main()
