"""What a network answered for the frames of a data set, kept on disk: class probabilities on the canvas."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..errors import InputError

FloatArray = NDArray[np.float32]

FULL = 65535  # of 16 bits is a probability of 1


@dataclass(frozen=True)
class CoarseMaps:
    """Probabilities by frame: ``maps[i]`` is ``(C, height, width)``, 0..1, background left out.

    ``places``: ``(n, 2)``, in which of the ``files`` frame i is, and in which row of it.
    """

    files: tuple[Path, ...]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, path: Path) -> CoarseMaps:
        """All maps of one file, in its order."""
        rows = np.arange(len(_open(path)))
        return cls((path,), np.stack([np.zeros_like(rows), rows], axis=1))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, i: int) -> FloatArray:
        file, row = self.places[i]
        return np.asarray(_open(self.files[file])[row], np.float32) / np.float32(FULL)


def write_maps(path: Path, maps: Iterable[FloatArray], shape: tuple[int, int, int, int]) -> None:
    """Write ``maps``, n of ``(C, height, width)`` in 0..1, one by one; the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        kept = open_memmap(temporary, "w+", np.uint16, shape)
        for row, probabilities in zip(kept, maps, strict=True):
            row[:] = np.rint(probabilities * FULL)
        kept.flush()
        del kept
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _open(path: Path) -> NDArray[np.uint16]:
    try:
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a file of probabilities ({error}); delete it and use --resume") from error
