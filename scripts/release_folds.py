"""Put the folds of the released recipe together: the mean Dice of each model over all held-out frames, with intervals.

    python scripts/release_folds.py release-fold0 release-fold1 release-fold2 --out docs/results/release/folds.json
    python scripts/release_folds.py release --out docs/results/release/held_out.json

Each folder is a ``--work`` of ``train_release.py`` on a fold of one split. Intervals are over clusters of all folds.
``--plain`` sets beside them what `plain_unet.py` wrote for the same folds, in the same order. What each model scores in
every frame is written too, and how it tells crops with a nerve from those without, by fold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from train_release import CROPS, MODELS, UNTAUGHT

from sononerve.evaluate.statistics import Interval, bootstrap_interval, paired_difference
from sononerve.io.atomic import write_text

PLAIN = "plain U-Net"
BEST_FIRST = ("accurate", "realtime", "untaught", PLAIN)  # so that most differences are gains

Dice = dict[str, dict[str, float | None]]
"""By frame, that of each class; None where the frame does not hold it."""


def main() -> None:
    """Pool, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, nargs="+")
    parser.add_argument("--plain", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    names = [name for name in [*MODELS, *UNTAUGHT] if (told.folds[0] / f"{name}.json").is_file()]
    tables = {name: pooled([dice(fold, name) for fold in told.folds]) for name in names}
    if told.plain:
        tables[PLAIN] = pooled([json.loads(file.read_text())["dice"] for file in told.plain])
    groups = pooled([clusters(fold, number) for number, fold in enumerate(told.folds)])
    found: dict[str, object] = {"folds": len(told.folds), "frames": len(groups)}
    found["clusters"] = len(set(groups.values()))
    for name, table in tables.items():
        found[name] = {label: as_json(interval(table, label, groups)) for label in labels(table)}
    for one, other in combinations([name for name in BEST_FIRST if name in tables], 2):
        pair = tables[one], tables[other]
        found[f"{one} - {other}"] = {label: as_json(difference(*pair, label, groups)) for label in labels(pair[0])}
    found["crops, by fold"] = {name: [of_crops(fold, name) for fold in told.folds] for name in names}
    by_frame = {frame: {name: table[frame] for name, table in tables.items()} for frame in groups}
    print(json.dumps(found, indent=1))
    if told.out is not None:
        lines = ",\n".join(f"  {json.dumps(frame)}: {json.dumps(rounded(by_frame[frame]))}" for frame in by_frame)
        write_text(told.out, json.dumps(found, indent=1)[:-2] + f',\n "by frame": {{\n{lines}\n }}\n}}\n')


def pooled(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """All of them; no frame is held out in two folds."""
    frames = {frame: value for fold in folds for frame, value in fold.items()}
    assert len(frames) == sum(map(len, folds)), "a frame is held out in two of the folds; give folds of one split"
    return frames


def frames_of(fold: Path, name: str) -> list[dict[str, Any]]:
    """The scores of a model by frame, as `train_release.py` wrote them."""
    frames: list[dict[str, Any]] = json.loads((fold / f"{name}.json").read_text())
    return frames


def dice(fold: Path, name: str) -> Dice:
    """A model's Dice in the frames of a fold."""
    return {frame["name"]: frame["dice"] for frame in frames_of(fold, name)}


def clusters(fold: Path, number: int) -> dict[str, str]:
    """The cluster of every frame; folds number theirs anew."""
    return {frame["name"]: f"{number}, {frame['group']}" for frame in frames_of(fold, "realtime")}


def of_crops(fold: Path, name: str) -> dict[str, object]:
    """How the model tells crops of the held-out frames that hold a nerve from the others, and marks these."""
    told = json.loads((fold / "release.json").read_text())["models"][name][CROPS]
    return {"presence_auroc": told["presence_auroc"], "empty_marked": told["nerve"]["false_positive_rate"]}


def labels(table: Dice) -> list[str]:
    """The classes."""
    return list(next(iter(table.values())))


def interval(table: Dice, label: str, groups: Mapping[str, str]) -> Interval:
    """The mean over the frames that hold the class."""
    held = {frame: value for frame in groups if (value := table[frame][label]) is not None}
    return bootstrap_interval(list(held.values()), [groups[frame] for frame in held])


def difference(one: Dice, other: Dice, label: str, groups: Mapping[str, str]) -> Interval:
    """How much more the one has, frame by frame."""
    held = [
        (a, b, groups[f]) for f in groups if (a := one[f][label]) is not None and (b := other[f][label]) is not None
    ]
    return paired_difference([a for a, _, _ in held], [b for _, b, _ in held], [g for _, _, g in held])


def as_json(found: Interval) -> list[float | None]:
    """Mean, low, high."""
    return [None if value is None else round(value, 4) for value in (found.value, found.low, found.high)]


def rounded(scores: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """To four places."""
    return {
        name: {label: None if value is None else round(value, 4) for label, value in told.items()}
        for name, told in scores.items()
    }


if __name__ == "__main__":
    main()
