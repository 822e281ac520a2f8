"""Where the files of a comparison lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .recipe import Run

RECIPE_FILE, SPLIT_FILE = "recipe.json", "split.json"


@dataclass(frozen=True)
class Places:
    """Where the files of a comparison lie below its folder ``out``."""

    out: Path

    def folder(self, run: Run) -> Path:
        """The run's folder."""
        return self.out / "runs" / run.name

    def log(self, run: Run, verb: str) -> Path:
        """What planning or training printed."""
        return self.out / "logs" / f"{run.name}-{verb}.log"

    def claim(self, run: Run) -> Path:
        """What the process that trains and scores the run holds."""
        return self.out / "logs" / f"{run.name}.lock"

    @property
    def planning(self) -> Path:
        """What the process that plans holds."""
        return self.out / "logs" / "planning.lock"

    def config(self, name: str) -> Path:
        """The configuration that a command is called with."""
        return self.out / "configs" / f"{name}.yaml"

    def pace(self, label: str) -> Path:
        """The configuration, steps included, that all runs of an entry have."""
        return self.out / "paces" / f"{label}.yaml"

    def result(self, run: Run) -> Path:
        """The run's result, there once it is finished."""
        return self.out / "results" / f"{run.name}.json"
