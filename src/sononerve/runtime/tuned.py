"""Which engine was the fastest for a model on this machine: what `sononerve.runtime.tuning` found, on disk."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..io.atomic import write_text
from ..io.home import home
from ..process import processor
from .bundle import Bundle, Precision
from .engine import EngineChoice, EngineName, Mode
from .engines import installed_engines


class _Best(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    engine: EngineName
    threads: int


class _Remembered(BaseModel):
    """``choices``: by mode, and by identity and precision of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    machine: str
    choices: dict[Mode, dict[str, _Best]] = {}


def tuned(bundle: Bundle, choice: EngineChoice) -> EngineChoice:
    """The choice with the engine and threads that were the fastest for this model; as it is where none was timed.

    An engine that is told is never replaced.
    """
    remembered = None if choice.engine is not None else _read(_place())
    if remembered is None:
        return choice
    best = remembered.choices.get(choice.mode, {}).get(_key(bundle, choice.precision or bundle.config.precision))
    if best is None:
        return choice
    return replace(choice, engine=best.engine, threads=choice.threads or best.threads)


def remember(bundle: Bundle, mode: Mode, fastest: Mapping[Precision, EngineChoice]) -> None:
    """Keep the fastest way of each precision for this model; those of other models stay."""
    place = _place()
    before = _read(place)
    choices: dict[Mode, dict[str, _Best]] = {} if before is None else dict(before.choices)
    new = {_key(bundle, p): _Best.model_validate({"engine": c.engine, "threads": c.cores}) for p, c in fastest.items()}
    choices[mode] = choices.get(mode, {}) | new
    write_text(place, _Remembered(machine=_machine(), choices=choices).model_dump_json(indent=1) + "\n")


def _read(place: Path) -> _Remembered | None:
    """What was remembered on this machine as it is now; None where that is nothing."""
    try:
        remembered = _Remembered.model_validate_json(place.read_bytes())
    except (OSError, ValidationError):
        return None
    return remembered if remembered.machine == _machine() else None


def _key(bundle: Bundle, precision: Precision) -> str:
    return f"{bundle.identity} {precision}"


def _place() -> Path:
    return home() / "tuned.json"


def _machine() -> str:
    """What the times depend on: the processor and the engines' versions."""
    return json.dumps([processor(), {name: _version(name) for name in installed_engines()}])


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # a build for GPUs is distributed under another name
        return "unknown"
