"""Put the folds of the released recipe together: the mean Dice of each model over all held-out frames, with intervals.

    python scripts/release_folds.py release-fold0 release-fold1 release-fold2 --out docs/results/release/folds.json

Each folder is a ``--work`` of ``train_release.py`` on a fold of one split. Intervals are over clusters of all folds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from train_release import MODELS

from sononerve.evaluate.statistics import Interval, bootstrap_interval, paired_difference
from sononerve.io.atomic import write_text


def main() -> None:
    """Pool, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    tables = {name: dice(told.folds, name) for name in MODELS}
    first, *others = MODELS
    groups = table_groups(told.folds, first)
    found: dict[str, object] = {"folds": len(told.folds), "frames": len(groups), "clusters": len(set(groups))}
    for name, table in tables.items():
        found[name] = {label: as_json(interval(values, groups)) for label, values in table.items()}
    for name in others:
        found[f"{name} - {first}"] = {
            label: as_json(difference(values, tables[first][label], groups)) for label, values in tables[name].items()
        }
    text = json.dumps(found, indent=1) + "\n"
    print(text)
    if told.out is not None:
        write_text(told.out, text)


def dice(folds: list[Path], name: str) -> dict[str, list[float | None]]:
    """The Dice of each class in every frame of the folds, None where the frame does not hold it."""
    frames = [frame for fold in folds for frame in json.loads((fold / f"{name}.json").read_text())]
    return {label: [frame["dice"][label] for frame in frames] for label in frames[0]["dice"]}


def table_groups(folds: list[Path], name: str) -> list[str]:
    """The cluster of every frame, in the same order; folds number theirs anew."""
    return [
        f"{fold.name}, {frame['group']}" for fold in folds for frame in json.loads((fold / f"{name}.json").read_text())
    ]


def interval(values: list[float | None], groups: list[str]) -> Interval:
    """The mean over the frames that hold the class."""
    held = [(value, group) for value, group in zip(values, groups, strict=True) if value is not None]
    return bootstrap_interval([value for value, _ in held], [group for _, group in held])


def difference(one: list[float | None], other: list[float | None], groups: list[str]) -> Interval:
    """How much more the one has, frame by frame."""
    held = [(a, b, g) for a, b, g in zip(one, other, groups, strict=True) if a is not None and b is not None]
    return paired_difference([a for a, _, _ in held], [b for _, b, _ in held], [g for _, _, g in held])


def as_json(found: Interval) -> list[float | None]:
    """Mean, low, high."""
    return [None if value is None else round(value, 4) for value in (found.value, found.low, found.high)]


if __name__ == "__main__":
    main()
