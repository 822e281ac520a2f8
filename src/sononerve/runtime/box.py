"""What the models in the box are, for a list of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .bundle import SCORES, Bundle
from .installed import installed


@dataclass(frozen=True)
class Installed:
    """A model in the box: its size in bytes, the data it learned from, and its held-out Dice by class."""

    model: str
    bytes: int
    data: str
    dice: dict[str, float]


def list_installed() -> list[Installed]:
    """What the models in the box are, opened and checked."""
    rows = []
    for name, path in installed().items():
        told = json.loads(Bundle.open(path).files[SCORES])
        dice = {label: one["scores"]["dice"]["value"] for label, one in told["overall"]["classes"].items()}
        rows.append(Installed(name, path.stat().st_size, told["data"], dice))
    return rows
