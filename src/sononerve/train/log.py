"""The log of a finished training, read again."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from .callbacks import LOG
from .refine import REFINER, STAGES

Rounds = list[dict[str, str]]
"""Rows of ``log.csv`` as they stand there."""


def rounds_of_stages(run: Path) -> Iterator[Rounds]:
    """The log of the training, or where it had stages, as one with a refiner, the log of each, the last one last."""
    stages = sorted((run / STAGES).glob(f"*/{LOG}"), key=lambda path: path.parent.name == REFINER)
    for path in [run / LOG] if (run / LOG).is_file() else stages:
        with path.open(newline="", encoding="utf-8") as file:
            yield list(csv.DictReader(file))


def training_seconds(run: Path) -> float:
    """How long the steps of all stages took, looks at the tune part and saving included; 0 without a log."""
    return sum(float(rounds[-1]["seconds"]) for rounds in rounds_of_stages(run) if rounds)
