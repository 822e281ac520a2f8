"""Draw the Dice on the tune part by step for each entry of a comparison, in the mean of its folds and seeds.

python scripts/learning_of_comparison.py docs/results/compare/transfer

Needs the comparison's runs/, which are not committed. Writes learning_dice.png, .svg and .csv beside compare.md.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from sononerve.evaluate.report.learning_plot import learning_curves
from sononerve.io.atomic import write_bytes, write_text


def main() -> None:
    """Read the logs, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", type=Path)
    told = parser.parse_args()
    labels = [entry["label"] for entry in json.loads((told.comparison / "recipe.json").read_text())["entries"]]
    _, dice = learning_curves({label: mean_log(told.comparison, label) for label in labels})
    write_bytes(told.comparison / f"{dice.name}.png", dice.png)
    write_text(told.comparison / f"{dice.name}.svg", dice.svg)
    write_text(told.comparison / f"{dice.name}.csv", dice.to_csv())


def mean_log(comparison: Path, label: str) -> list[dict[str, float]]:
    """The log of an entry, in the mean of its runs, which all have the same steps."""
    logs = []
    for path in sorted((comparison / "runs").glob(f"{label}-fold*-seed*/log.csv")):
        with path.open(newline="") as file:
            logs.append([{k: float(v) for k, v in row.items() if k in _kept(row)} for row in csv.DictReader(file)])
    if not logs:
        raise SystemExit(f"{comparison}: no runs of {label}; train them first with 'sononerve compare'")
    return [{name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} for rows in zip(*logs, strict=True)]


def _kept(row: dict[str, str]) -> list[str]:
    return [name for name in row if name == "step" or name.startswith("tune_dice_")]


if __name__ == "__main__":
    main()
