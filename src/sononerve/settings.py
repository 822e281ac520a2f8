"""Settings as a person types them: ``name=value`` words, dotted names, and what was wrong with one."""

from __future__ import annotations

from collections.abc import Mapping

import yaml
from pydantic import ValidationError

from .errors import InputError


def parse_settings(settings: list[str]) -> dict[str, object]:
    """Turn ``name=value`` words into values read as YAML.

    >>> parse_settings(["network.width=16", "augment.flip.p=0"])
    {'network.width': 16, 'augment.flip.p': 0}
    """
    found: dict[str, object] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set {setting}: expected name=value, as network.width=16")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {setting}: {value!r} is not a value ({error})") from error
    return found


def merge(values: dict[str, object], told: Mapping[str, object], none_counts: bool = False) -> None:
    """Put what was ``told``, nested by field, over ``values``; None is not told unless ``none_counts``."""
    for key, value in told.items():
        if isinstance(value, Mapping):
            inner = values.get(key)
            if not isinstance(inner, dict):  # what is nested where nothing is will be refused by the field
                inner = values[key] = {}
            merge(inner, value, none_counts)
        elif value is not None or none_counts:
            values[key] = value


def merge_settings(values: dict[str, object], settings: Mapping[str, object]) -> None:
    """Put settings by dotted field over ``values``, which are nested; None counts.

    >>> values: dict[str, object] = {"canvas": {"longest": 256}}
    >>> merge_settings(values, {"canvas.longest": 128, "seed": 1})
    >>> values
    {'canvas': {'longest': 128}, 'seed': 1}
    """
    for name, value in settings.items():
        nested: dict[str, object] = {}
        inner = nested
        *path, last = name.split(".")
        for part in path:
            inner[part] = inner = {}
        inner[last] = value
        merge(values, nested, none_counts=True)


def first_fault(error: ValidationError, options: Mapping[str, str]) -> str:
    """One sentence on the first thing that pydantic found wrong; ``options``: what was typed for a field."""
    fault = error.errors()[0]
    told = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:  # settings that do not go together, or nothing that holds settings
        return told if fault["type"] == "value_error" else f"expected settings by name, found {fault['input']!r:.60}"
    field = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        told = "there is no such setting"
    return f"{options.get(field, field)}: {told}, found {fault['input']!r:.60}"
