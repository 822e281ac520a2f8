"""Write files whole or not at all: a temporary name beside the target, then a rename."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError


def check_place(path: Path) -> None:
    """Raise `InputError` where ``path`` could not be made or replaced: before the work whose result would go there."""
    _check_writable(path, path.absolute().parent)


def check_folder(path: Path) -> None:
    """Raise `InputError` where files could not be put into the folder ``path``, which need not be there yet."""
    _check_writable(path, path.absolute())


def _check_writable(path: Path, folder: Path) -> None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"{path}: {folder} is a file, not a folder; use another --out")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: {folder} may not be written to; use another --out")


@contextmanager
def blamed_on(path: Path) -> Iterator[None]:
    """Let an error of the system name ``path``: a full disk names no file, a temporary one would mean nothing."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` and make its folder; a reader sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with blamed_on(path):
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


def check_new_folder(path: Path, option: str = "--out") -> None:
    """Raise `InputError` where ``path`` could not be made, or is there and not an empty folder."""
    check_place(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: is there already and not an empty folder; use another {option}")


def put_folder(built: Path, place: Path) -> None:
    """Rename ``built`` to ``place``, beside it; a folder that is there is gone only when the new one stands."""
    if not place.exists():
        built.rename(place)
        return
    old = built.with_name(f"{built.name}.old")
    place.rename(old)
    try:
        built.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``path`` at the end; whatever goes wrong before leaves nothing behind.

    Raises `InputError` where ``path`` is there and not an empty folder.
    """
    check_new_folder(path)
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    # built beside the place: a rename is whole only within one file system
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        built = Path(scratch) / "folder"
        built.mkdir()
        yield built
        with blamed_on(path):
            if path.exists():
                path.rmdir()
            built.rename(path)
