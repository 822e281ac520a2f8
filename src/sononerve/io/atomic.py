"""Write files whole or not at all: a temporary name beside the target, then a rename."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..errors import InputError


def check_place(path: Path) -> None:
    """Raise `InputError` where ``path`` could not be made: before the work whose result would go there."""
    above = path.absolute()
    while not above.exists() and above != above.parent:
        above = above.parent
    if above != path.absolute() and not above.is_dir():
        raise InputError(f"{path}: {above} is a file, not a folder; use another --out")
    if not os.access(above, os.W_OK):
        raise InputError(f"{path}: {above} may not be written to; use another --out")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` and make its folder; a reader sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())
