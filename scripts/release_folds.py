"""Put the folds of the released recipe together: the mean Dice of each model over all held-out frames, with intervals.

    python scripts/release_folds.py release-fold0 release-fold1 release-fold2 --out docs/results/release/folds.json

Each folder is a ``--work`` of ``train_release.py`` on a fold of one split. Intervals are over clusters of all folds.
``--plain`` sets beside them what `plain_unet.py` wrote for the same folds, in the same order.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from train_release import MODELS, UNTAUGHT

from sononerve.evaluate.statistics import Interval, bootstrap_interval, paired_difference
from sononerve.io.atomic import write_text

PLAIN = "plain U-Net"


def main() -> None:
    """Pool, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, nargs="+")
    parser.add_argument("--plain", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    tables = {name: dice(told.folds, name) for name in [*MODELS, *UNTAUGHT]}
    pairs = [("accurate", "realtime"), ("realtime", "untaught"), ("accurate", "untaught")]
    if told.plain:
        tables[PLAIN] = plain_dice(told.folds, told.plain)
        pairs += [(name, PLAIN) for name in MODELS]
    groups = table_groups(told.folds)
    found: dict[str, object] = {"folds": len(told.folds), "frames": len(groups), "clusters": len(set(groups))}
    for name, table in tables.items():
        found[name] = {label: as_json(interval(values, groups)) for label, values in table.items()}
    for one, other in pairs:
        found[f"{one} - {other}"] = {
            label: as_json(difference(values, tables[other][label], groups)) for label, values in tables[one].items()
        }
    text = json.dumps(found, indent=1) + "\n"
    print(text)
    if told.out is not None:
        write_text(told.out, text)


def dice(folds: list[Path], name: str) -> dict[str, list[float | None]]:
    """The Dice of each class in every frame of the folds, None where the frame does not hold it."""
    scored = [frame["dice"] for fold in folds for frame in frames_of(fold, name)]
    return {label: [one[label] for one in scored] for label in scored[0]}


def plain_dice(folds: list[Path], files: list[Path]) -> dict[str, list[float | None]]:
    """The plain network's Dice of the same frames."""
    scored = []
    for fold, file in zip(folds, files, strict=True):
        by_name = json.loads(file.read_text())["dice"]
        scored += [by_name[frame["name"]] for frame in frames_of(fold, "realtime")]
    return {label: [one[label] for one in scored] for label in scored[0]}


def table_groups(folds: list[Path]) -> list[str]:
    """The cluster of every frame, in the same order; folds number theirs anew."""
    return [f"{fold.name}, {frame['group']}" for fold in folds for frame in frames_of(fold, "realtime")]


def frames_of(fold: Path, name: str) -> list[dict[str, Any]]:
    """The scores of a model by frame, as `train_release.py` wrote them."""
    frames: list[dict[str, Any]] = json.loads((fold / f"{name}.json").read_text())
    return frames


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
