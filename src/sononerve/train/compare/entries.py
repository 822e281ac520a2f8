"""What is compared: a label, a network, and the settings that differ from those of all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from ...errors import InputError
from ...models import MODELS
from ...settings import parse_settings

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
PIECE = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|.""", re.DOTALL)  # text in quotes, or one character
EXPECTED = "expected NAME, LABEL=NAME or LABEL=NAME:setting=value:setting=value"


class Entry(BaseModel):
    """One thing that is compared: the network ``model`` with ``settings`` by dotted field, called ``label``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    model: str
    settings: dict[str, object] = {}


def parse_entries(texts: Sequence[str]) -> tuple[Entry, ...]:
    """Read ``NAME``, ``LABEL=NAME`` and ``LABEL=NAME:setting=value``, some with commas between them.

    Raises `InputError` naming an entry that is none, a network that is not known, and a label that comes twice.

    >>> [entry.label for entry in parse_entries(["unet,narrow=unet:network.width=24"])]
    ['unet', 'narrow']
    """
    entries = tuple(_parse(word.strip()) for text in texts for word in _parts(text, ","))
    labels = [entry.label for entry in entries]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InputError(f"--models: {twice} comes twice; give one of them another label, as {twice}-2=NAME")
    return entries


def _parts(text: str, separator: str) -> list[str]:
    """The text cut at separators, but for those in a value's brackets and quotes."""
    parts, depth = [""], 0
    for piece in PIECE.findall(text):
        depth += (piece in ("[", "{")) - (piece in ("]", "}"))
        if piece == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _parse(text: str) -> Entry:
    head, *settings = _parts(text, ":")
    label, equals, model = head.partition("=")
    model = model if equals else label
    if settings and not equals:
        raise InputError(f"--models {text}: has settings but no label; {EXPECTED}")
    if not LABEL.fullmatch(label):
        raise InputError(f"--models {text}: {label!r} is no label of letters, digits, '.', '_' and '-'; {EXPECTED}")
    if model not in MODELS:
        raise InputError(f"--models {text}: unknown network {model!r}; expected one of {', '.join(MODELS)}")
    try:
        return Entry(label=label, model=model, settings=parse_settings(settings))
    except InputError as error:
        raise InputError(f"--models {text}: {str(error).removeprefix('--set ')}") from error
