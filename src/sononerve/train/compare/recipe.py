"""Everything that a comparison was asked for, kept in its folder: what all have alike, and what is compared."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InputError
from ...io.atomic import write_text
from ...models import check_settings
from ..config import TrainConfig, changed
from .entries import Entry

OPTIONS = {"budget_s": "--budget", "canvas.longest": "--size", "precision": "--precision"}
OWN = {"model": "--models", "seed": "--seeds", "data.fold": "--folds or --split", "data.folder": "the argument DATA"}
"""Settings that the comparison itself makes for each training, and what says them."""


@dataclass(frozen=True)
class Run:
    """One training of a comparison."""

    entry: Entry
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """What its folder and files are called."""
        return f"{self.entry.label}-fold{self.fold}-seed{self.seed}"

    @property
    def cell(self) -> tuple[int, int]:
        """Fold and seed: what runs of different entries have alike."""
        return self.fold, self.seed


class Recipe(BaseModel):
    """What is compared on what.

    ``base``: the configuration that all have alike, and ``settings`` by dotted field over it. ``threads``: cores for
    training and prediction, None for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: TrainConfig
    settings: dict[str, object] = {}
    entries: tuple[Entry, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    threads: int | None = Field(default=None, ge=1)

    def by_time(self, entry: Entry) -> bool:
        """Whether the entry's trainings end by time, and not after so many steps or passes."""
        config = self.config(Run(entry, fold=0, seed=self.seeds[0]))
        return config.steps is None and config.epochs is None

    def config(self, run: Run) -> TrainConfig:
        """The configuration of one training; raise `InputError` naming the entry whose settings are wrong."""
        told = {"model": run.entry.model, "seed": run.seed, "data": {"fold": run.fold}}
        try:
            own = next((name for name in _flat(self.settings | run.entry.settings) if name in OWN), None)
            if own is not None:
                raise InputError(f"--set {own}: the comparison itself sets it; use {OWN[own]}")
            settings = {name: _of(run, value) for name, value in run.entry.settings.items()}
            config = changed(changed(self.base, told, self.settings), {}, settings)
            check_settings(config.model, config.network)
        except InputError as error:
            raise InputError(f"--models {run.entry.label}: {error}") from error
        return config

    def runs(self, folds: int) -> Iterator[Run]:
        """Every training, all entries of a fold and seed before the next: what is finished can be compared early."""
        for seed in self.seeds:
            for fold in range(folds):
                for entry in self.entries:
                    yield Run(entry, fold, seed)

    def joined(self, later: Recipe, out: Path) -> Recipe:
        """This recipe with the further entries and seeds of ``later``; raise `InputError` where anything else differs.

        Where the data lies is not asked, for the split knows its frames.
        """
        known = {entry.label: entry for entry in self.entries}
        for entry in later.entries:
            if known.setdefault(entry.label, entry) != entry:
                raise InputError(
                    f"{out}: {entry.label} was begun as {_told(known[entry.label])}, not as {_told(entry)}; give the "
                    "new one another label"
                )
        here = later.base.data.folder
        base = self.base.model_copy(update={"data": self.base.data.model_copy(update={"folder": here})})
        for name, a, b in (
            *((name, getattr(base, name), getattr(later.base, name)) for name in TrainConfig.model_fields),
            ("settings", self.settings, later.settings),
            ("threads", self.threads, later.threads),
        ):
            if a != b:
                raise InputError(
                    f"{out}: was begun with another {name}, so its scores are not comparable; resume without changing "
                    "it, or use another --out"
                )
        seeds = tuple(dict.fromkeys((*self.seeds, *later.seeds)))
        return self.model_copy(update={"base": base, "entries": tuple(known.values()), "seeds": seeds})

    def without_place(self) -> dict[str, object]:
        """The recipe as JSON's values, the data called by the name of their folder."""
        told = self.model_dump(mode="json")
        told["base"]["data"]["folder"] = self.base.data.folder.name
        return told

    def command(self, split_file: str, out: str, further: Sequence[str] = ()) -> str:
        """The command that does it again on the same split, with ``further`` words at its end."""
        data = self.base.data
        words = ["sononerve", "compare", data.folder.name, "--out", out, "--split", split_file]
        for entry in self.entries:
            words += ["--models", f"{entry.label}={_told(entry)}"]
        words += ["--seeds", ",".join(map(str, self.seeds))]
        words += [] if self.threads is None else ["--threads", str(self.threads)]
        words += [] if data.layout is None else ["--layout", data.layout]
        words += [] if data.classes is None else ["--classes", ",".join(data.classes)]
        words += [] if data.subject_pattern is None else ["--subject-pattern", data.subject_pattern]
        words += [] if data.spacing_mm is None else ["--spacing-mm", ",".join(map(str, data.spacing_mm))]
        told = self.base.model_dump(mode="json", exclude={"data"}, exclude_defaults=True)
        told |= {"data": {"drop": data.drop}} if data.drop != "nothing" else {}
        for name, value in (_flat(told) | self.settings).items():
            option = None if value is None else OPTIONS.get(name)
            words += ["--set", f"{name}={json.dumps(value)}"] if option is None else [option, str(value)]
        return shlex.join([*words, *further])

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all, without the place of the data: the file is passed on."""
        write_text(path, json.dumps(self.without_place(), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read what `write` wrote; raise `InputError` for anything else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(
                f"{path}: not the recipe of a comparison ({str(error).splitlines()[0]}); use another --out"
            ) from error


def _flat(values: Mapping[str, object], before: str = "") -> dict[str, object]:
    """Nested values by dotted name."""
    found: dict[str, object] = {}
    for name, value in values.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def _of(run: Run, value: object) -> object:
    """An entry's setting for one run: ``{fold}`` and ``{seed}`` in a text are that run's."""
    if isinstance(value, list):
        return [_of(run, one) for one in value]
    if isinstance(value, str):
        return value.replace("{fold}", str(run.fold)).replace("{seed}", str(run.seed))
    return value


def _told(entry: Entry) -> str:
    return ":".join([entry.model, *(f"{name}={json.dumps(value)}" for name, value in entry.settings.items())])
