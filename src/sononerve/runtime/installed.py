"""The models in the box: bundles that come with the package, each called by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "installed"
ENDING = ".sono"


@dataclass(frozen=True)
class Installed:
    """A model in the box: its size in bytes, the data it learned from, and its held-out Dice by class."""

    model: str
    bytes: int
    data: str
    dice: dict[str, float]


def installed() -> dict[str, Path]:
    """The bundles in the box by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{ENDING}"))}


def find(model: Path | str) -> Path:
    """Where a model is: the path itself, or the bundle in the box of that name where nothing lies at the path."""
    path = Path(model)
    return path if path.exists() else installed().get(str(model), path)


def list_installed() -> list[Installed]:
    """What the models in the box are, opened and checked."""
    from .bundle import SCORES, Bundle  # which itself looks into the box

    rows = []
    for name, path in installed().items():
        told = json.loads(Bundle.open(path).files[SCORES])
        dice = {label: one["scores"]["dice"]["value"] for label, one in told["overall"]["classes"].items()}
        rows.append(Installed(name, path.stat().st_size, told["data"], dice))
    return rows
