"""Large files that can be made again, shared by all processes of a machine: whole or not there, bounded, safe in use.

Who reads a file holds a shared lock on it, and what is locked is not removed. A file is written under another name,
locked too, and then renamed; what a killed writer leaves behind has no lock and goes with the next clearing up. Where
the system has no such locks (Windows), it refuses by itself to remove a file that is open.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .home import home

if sys.platform != "win32":
    import fcntl

LIMIT = 20 * 10**9  # bytes of all files; the one that is needed now is made even where it alone is larger
SPARE = 10**9  # bytes of the disk that are left to others
NEW_S = 60.0  # a file to be written has no lock in its first moment


@dataclass(frozen=True)
class Cached:
    """A file of the cache: ``size`` in bytes, ``used_s`` when it was last opened (seconds since 1970)."""

    path: Path
    size: int
    used_s: float


def cache_folder() -> Path:
    """Where the files are."""
    return home() / "canvases"


def list_cached() -> list[Cached]:
    """The files of the cache, the least recently used first."""
    found = []
    for path in cache_folder().glob("[!.]*"):
        with suppress(OSError):  # another process has just removed it
            told = path.stat()
            found.append(Cached(path, told.st_size, told.st_mtime))
    return sorted(found, key=lambda cached: cached.used_s)


def open_cached(path: Path) -> BinaryIO | None:
    """Open a file for reading; until it is closed nobody removes it. None where it is not there."""
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        _lock(file, alone=False)
        if os.fstat(file.fileno()).st_nlink > 0:
            break
        file.close()  # removed between the two, or replaced by another process's
    with suppress(OSError):  # a folder that is shared for reading only
        os.utime(path)
    return file


@contextmanager
def new_cached(path: Path, size: int) -> Iterator[BinaryIO]:
    """Yield a file to write ``size`` bytes to, which is ``path`` at the end; whatever goes wrong leaves nothing.

    Raises `OSError` where there is no room or no right to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _make_room(path, size)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            _lock(file, alone=False)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def clear_cache() -> tuple[list[Cached], list[Cached]]:
    """Remove every file that nobody uses; return what was removed and what was kept."""
    _remove_leftovers(cache_folder())
    removed: list[Cached] = []
    kept: list[Cached] = []
    for cached in list_cached():
        (removed if remove_cached(cached.path) else kept).append(cached)
    return removed, kept


def remove_cached(path: Path) -> bool:
    """Remove a file unless it is in use; say whether it was removed."""
    try:
        if sys.platform == "win32":
            path.unlink()
            return True
        with path.open("rb") as file:
            if not _lock(file, alone=True):
                return False
            path.unlink()
    except OSError:
        return False
    return True


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left."""
    for left in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > NEW_S:
                remove_cached(left)


def _make_room(path: Path, size: int) -> None:
    """Remove the least recently used files until there is room for ``size`` bytes."""
    _remove_leftovers(path.parent)
    files = list_cached()
    total = sum(cached.size for cached in files)
    for cached in files:
        if total + size <= LIMIT and _has_room(path.parent, size):
            return
        if remove_cached(cached.path):
            total -= cached.size
    if not _has_room(path.parent, size):
        raise OSError(errno.ENOSPC, f"{(size + SPARE) / 1e9:.1f} GB are not free on the disk", str(path.parent))


def _has_room(folder: Path, size: int) -> bool:
    return shutil.disk_usage(folder).free >= size + SPARE


def _lock(file: BinaryIO, *, alone: bool) -> bool:
    """Lock shared, waiting for whoever removes it; or alone, at once or not at all."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except OSError:  # in use; or a file system without locks, where nothing is removed
        return False
    return True
