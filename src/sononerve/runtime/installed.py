"""The models in the box: bundles that come with the package, each called by its name."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

FOLDER = Path(__file__).parents[1] / "installed"
ENDING = ".sono"
USUAL = "realtime"
"""What predicts where no model is asked for."""


def installed() -> dict[str, Path]:
    """The bundles in the box by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{ENDING}"))}


def named_or_usual(model: str | None) -> str:
    """The model that was asked for, or `USUAL` of the box; raise `InputError` where nothing was and it is not there."""
    if model is None and USUAL not in installed():
        raise InputError(
            "--model: needed, for this sononerve comes without trained models; give a run or a bundle, as --model run"
        )
    return model or USUAL


def find(model: Path | str) -> Path:
    """Where a model is: the path itself, or the bundle in the box of that name where nothing lies at the path."""
    path = Path(model)
    return path if path.exists() else installed().get(str(model), path)
