"""What a prediction left in its folder."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from sononerve.runtime.files import TABLE


def table(out: Path) -> list[dict[str, str]]:
    """The rows of the table."""
    with (out / TABLE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(path: Path) -> np.ndarray:
    """As stored."""
    return np.asarray(Image.open(path))
