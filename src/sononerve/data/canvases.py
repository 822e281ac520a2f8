"""Frames and masks scaled to the network's canvas: made once, kept on disk for every training, read one by one.

A file of canvases holds the whole data set, so that the folds of a split, seeds and networks share it. It is read with
plain reads, not mapped: the memory of a training does not grow with its data, and a file that was cut short is an error
and not a crash. What was read lately is in the system's own cache anyway.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .. import __version__
from ..errors import InputError
from ..frame import Sample
from ..io.cache import cache_folder, new_cached, open_cached
from ..process import READERS, one_thread
from ..progress import console
from .dataset import Dataset, Progress
from .layouts import Record
from .preprocess import Preprocess

ByteArray = NDArray[np.uint8]

VERSION = 2  # of the file, and of how frames are decoded and scaled
READ_AHEAD = 4 * READERS  # canvases that are made and wait to be written
NOT_SCALING = {"normalisation", "mean", "std"}  # of the fields of `Preprocess`: they do not change a canvas


class StoredPairs:
    """Frames and labels in a file: ``stored[i]`` reads one pair, uint8 ``(2, height, width)``.

    The file is in use, and is not removed from the cache, as long as this lives.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Take over ``file``, open for reading; raise `ValueError` where it is not a whole file of canvases."""
        self.path = path
        self._file = file
        self._close = weakref.finalize(self, file.close)
        if npy.read_magic(file) != (1, 0):
            raise ValueError("not a file of canvases")
        self.shape, _, kind = npy.read_array_header_1_0(file)
        self._start = file.tell()
        if kind != np.uint8 or len(self.shape) != 4 or self.shape[1] != 2:
            raise ValueError("not a file of canvases")
        if os.fstat(file.fileno()).st_size != self._start + int(np.prod(self.shape, dtype=np.int64)):
            raise ValueError("cut short")

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, i: int) -> ByteArray:
        size = int(np.prod(self.shape[1:]))
        place = self._start + i * size
        if sys.platform == "win32":  # no reads at a place; there a file in use stays where it is
            content = np.fromfile(self.path, np.uint8, size, offset=place)
        else:  # leaves alone the place in the file, which forked workers share
            content = np.frombuffer(os.pread(self._file.fileno(), size, place), np.uint8)
        return content.reshape(self.shape[1:])

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.path,)


def _reopen(path: Path) -> StoredPairs:
    """In another process, while the first one keeps the file in use."""
    file = open_cached(path)
    if file is None:
        raise InputError(f"{path}: was removed while a training used it; start it again with --resume")
    return StoredPairs(path, file)


@dataclass(frozen=True)
class Canvases:
    """Frames and labels of one part: ``canvases[i]`` is a frame and its labels, uint8 ``(height, width)`` each.

    ``pairs``: ``(n, 2, height, width)``, in memory or in a file. ``rows``: which of them, in order.
    """

    pairs: ByteArray | StoredPairs
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, preprocess: Preprocess, progress: Progress | None = None) -> Canvases:
        """Decode and scale every frame into memory; raise `InputError` for one that cannot be read."""
        pairs = np.zeros((len(dataset), 2, preprocess.height, preprocess.width), np.uint8)
        for i, pair in enumerate(_scaled(dataset, preprocess, progress)):
            pairs[i] = pair
        return cls(pairs, np.arange(len(pairs)))

    @classmethod
    def of_samples(cls, samples: Iterable[Sample], classes: int, preprocess: Preprocess) -> Canvases:
        """Scale some into memory."""
        pairs = np.array([_on_canvas(sample, classes, preprocess) for sample in samples])
        return cls(pairs, np.arange(len(pairs)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[ByteArray, ByteArray]:
        frame, labels = self.pairs[int(self.rows[i])]
        return frame, labels

    def statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of all frames' grey levels."""
        counts = np.zeros(256, np.int64)
        for i in range(len(self)):
            counts += np.bincount(self[i][0].ravel(), minlength=256)
        levels = np.arange(256)
        mean = float((counts * levels).sum() / counts.sum())
        return mean, float(np.sqrt((counts * (levels - mean) ** 2).sum() / counts.sum()))


@dataclass(frozen=True)
class Joined:
    """Several parts as one, in order: whole frames and close-ups of them."""

    parts: tuple[Canvases, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, i: int) -> tuple[ByteArray, ByteArray]:
        for part in self.parts:
            if i < len(part):
                return part[i]
            i -= len(part)
        raise IndexError("behind the last frame")


def open_canvases(
    dataset: Dataset,
    parts: Sequence[Sequence[int]],
    preprocess: Preprocess,
    cache: bool = True,
    progress: Progress | None = None,
) -> list[Canvases]:
    """The canvases of each of ``parts``, indices into ``dataset``: from the cache, and where they are not there, made.

    Without ``cache``, or where the disk is full or may not be written to (a line says so), they are made in memory.
    Raises `InputError` for a frame that cannot be read.
    """
    if cache:
        try:
            stored = _stored(dataset, preprocess, progress)
            return [Canvases(stored, np.array(part, np.int64)) for part in parts]
        except OSError as error:
            told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            console.print(f"warning: prepared frames are kept in memory, not on disk ({told})")
    return [Canvases.of(dataset.select(part), preprocess, progress) for part in parts]


def _stored(dataset: Dataset, preprocess: Preprocess, progress: Progress | None) -> StoredPairs:
    key = canvas_key(dataset, preprocess)
    path = cache_folder() / f"{key}.npy"
    shape = (len(dataset), 2, preprocess.height, preprocess.width)
    found = _whole(path, shape)
    if found is not None:
        return found
    with new_cached(path, int(np.prod(shape, dtype=np.int64))) as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for pair in _scaled(dataset, preprocess, progress):
            file.write(pair.data)
        if canvas_key(dataset, preprocess) != key:
            raise InputError(f"{dataset.folder}: changed while it was read; train again when nothing writes to it")
    made = _whole(path, shape)
    if made is None:
        raise OSError(f"{path} was removed at once")
    return made


def _whole(path: Path, shape: tuple[int, ...]) -> StoredPairs | None:
    """The file at ``path``; None where there is none, or one that is damaged, which is then made again."""
    file = open_cached(path)
    if file is None:
        return None
    try:
        stored = StoredPairs(path, file)
    except ValueError:
        return None
    return stored if stored.shape == shape else None


def canvas_key(dataset: Dataset, preprocess: Preprocess) -> str:
    """SHA-256 over what the canvases depend on, as hex.

    A frame and its mask are known by path, size and times of their files and by their place in them, not by their
    pixels: that would be to decode them all. The time of the last change of the file's entry counts as well, because
    copying may restore the time of its content. Raises `OSError` where a file is gone.
    """
    stamps: dict[Path, tuple[str, int, int, int]] = {}

    def stamp(path: Path) -> tuple[str, int, int, int]:
        if path not in stamps:
            told = path.stat()
            stamps[path] = (str(path.absolute()), told.st_size, told.st_mtime_ns, told.st_ctime_ns)
        return stamps[path]

    settings = preprocess.model_dump(mode="json", exclude=NOT_SCALING)
    digest = hashlib.sha256(
        json.dumps([VERSION, __version__, settings, dataset.layout, dataset.classes], sort_keys=True).encode()
    )
    for record in dataset.records:
        files = [stamp(record.image), *(stamp(path) for path in _mask_files(record))]
        digest.update(json.dumps([record.name, record.place, repr(record.mask), files]).encode())
    return digest.hexdigest()


def _mask_files(record: Record) -> list[Path]:
    if record.mask is None:
        return []
    return [record.mask if isinstance(record.mask, Path) else record.mask.file]


def _on_canvas(sample: Sample, classes: int, preprocess: Preprocess) -> ByteArray:
    pair = np.zeros((2, preprocess.height, preprocess.width), np.uint8)
    area = preprocess.area(sample.frame.pixels, sample.labels)
    pair[0] = preprocess.frame(sample.frame.pixels, area)
    if sample.labels is not None:
        pair[1] = preprocess.mask(sample.labels, classes, area)
    return pair


def _scaled(dataset: Dataset, preprocess: Preprocess, progress: Progress | None) -> Iterator[ByteArray]:
    """Every frame and its labels on the canvas, ``(2, height, width)``, in order; several are decoded at a time."""

    def scale(i: int) -> ByteArray:
        return _on_canvas(dataset[i], len(dataset.classes), preprocess)

    left = iter(range(len(dataset)))
    with one_thread(), ThreadPoolExecutor(READERS) as pool:
        try:
            waiting = deque(pool.submit(scale, i) for i in islice(left, READ_AHEAD))
            for done in range(1, len(dataset) + 1):
                pair = waiting.popleft().result()
                waiting.extend(pool.submit(scale, i) for i in islice(left, 1))
                yield pair
                if progress is not None:
                    progress(done, len(dataset))
        finally:
            pool.shutdown(cancel_futures=True)
