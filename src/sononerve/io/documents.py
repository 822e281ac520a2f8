"""JSON and text that others wrote: limits before reading, and one sentence about what does not fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import InputError

MAX_BYTES = 500_000_000
HEAD = 65_536

T = TypeVar("T")


def check_size(path: Path, expected: str) -> None:
    """Raise `InputError` where the file ``path``, ``expected`` to be something, is not there or above `MAX_BYTES`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {expected}")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; expected at most {MAX_BYTES}: export it in parts")


def begins_like(path: Path, pattern: str) -> bool:
    """Whether ``pattern`` is found in the first 64 kB of a file, which may be none."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            start = file.read(HEAD)
    except OSError:
        return False
    return re.search(pattern, start.decode("utf-8-sig", "replace"), re.DOTALL) is not None


def read_text(path: Path, expected: str) -> str:
    """Read a text in UTF-8; raise `InputError` where it is not there, too large or something else."""
    check_size(path, expected)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 at byte {error.start}; expected {expected}") from error


def read_json(path: Path, kind: TypeAdapter[T], expected: str) -> T:
    """Read a JSON file in UTF-8 as what ``kind`` describes; raise `InputError` with the first field that does not fit.

    ``expected``: what the file should have been, for the message.
    """
    check_size(path, expected)
    try:
        return kind.validate_json(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        told = " ".join(f"{place}: {fault['msg']}".removeprefix(": ").split())
        raise InputError(f"{path}: not {expected} ({told}); export it again") from error
