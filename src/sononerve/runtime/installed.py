"""The models in the box: bundles that come with the package, each called by its name."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "installed"
ENDING = ".sono"


def installed() -> dict[str, Path]:
    """The bundles in the box by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{ENDING}"))}


def find(model: Path | str) -> Path:
    """Where a model is: the path itself, or the bundle in the box of that name where nothing lies at the path."""
    path = Path(model)
    return path if path.exists() else installed().get(str(model), path)
