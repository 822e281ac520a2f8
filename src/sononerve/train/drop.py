"""Frames of the fit part that are left out because their masks contradict those of near-duplicates."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ..data.audit.twins import contradictions, files_to_drop
from ..data.dataset import Dataset, Progress
from ..data.duplicates import find_pairs
from ..errors import InputError
from ..io.atomic import write_text

DROPPED = "dropped.csv"
COLUMNS = ("frame", "why")


def dropped_frames(fitted: Dataset, progress: Progress | None = None) -> dict[str, str]:
    """Which frames of the fit part to leave out, and why: of two, the one that lacks a class; where both have it, both.

    Raises `InputError` where none would be left.
    """
    dropped = files_to_drop(contradictions(fitted, find_pairs(fitted, progress)))
    if len(dropped) == len(fitted):
        raise InputError(
            f"{fitted.folder}: every frame to fit contradicts another; look at 'sononerve audit', or leave --drop out"
        )
    return dropped


def write_dropped(path: Path, dropped: dict[str, str]) -> None:
    """Write a table of frames and reasons, whole or not at all."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows(dropped.items())
    write_text(path, text.getvalue())


def read_dropped(path: Path) -> dict[str, str]:
    """Read what `write_dropped` wrote; raise `InputError` for anything else."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) == COLUMNS:
                return {row["frame"]: row["why"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); train into a new folder") from error
    raise InputError(f"{path}: expected the columns {', '.join(COLUMNS)}; train into a new folder")
