"""A labelled data set: its frames in order, its classes, and what a first look at every mask tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Sample, Spacing
from ..io.frames import count_frames, frame_hash, read_frame, read_header, read_labels
from ..process import READERS
from .labels import assumed, resolve_classes, to_labels
from .layouts import LAYOUTS, Record, find_layout
from .layouts.drawn import class_names, named
from .layouts.record import FaultyRecordsError

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


@dataclass(frozen=True)
class Dataset:
    """Frames in a fixed order; ``dataset[i]`` decodes one.

    ``areas``: share of each frame that each class covers, ``(n, C)``. ``sizes``: height and width, ``(n, 2)``.
    """

    folder: Path
    layout: str
    records: tuple[Record, ...]
    classes: tuple[str, ...]
    areas: NDArray[np.float64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> Sample:
        """Decode frame ``i`` and its mask; raise `InputError` naming a file that cannot be read."""
        record = self.records[i]
        frame = read_frame(record.image, record.place, record.spacing_mm)
        labels = to_labels(_stored_values(record, frame.shape), len(self.classes))
        boxes = None if record.boxes is None else np.array(record.boxes, np.float32).reshape(-1, 4)
        return Sample(frame, labels, record.subject, record.video, record.index, boxes, record.annotator)

    def labels(self, i: int) -> NDArray[np.uint8]:
        """Decode the mask of frame ``i`` alone, ``(H, W)``; raise `InputError` naming a file that cannot be read."""
        height, width = self.sizes[i]
        return to_labels(_stored_values(self.records[i], (int(height), int(width))), len(self.classes))

    @cached_property
    def names(self) -> list[str]:
        """The frames' names, in order."""
        return [record.name for record in self.records]

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which frames hold any pixel of the first class, the nerve, ``(n,)``."""
        return self.areas[:, 0] > 0

    @property
    def homes(self) -> list[str | None]:
        """The video each frame is from, else its subject; None where neither is known."""
        return [record.video or record.subject for record in self.records]

    def hashes(self) -> list[str]:
        """The `frame_hash` of each frame, in order; raise `InputError` naming a file that cannot be read."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(lambda record: frame_hash(record.image, record.place), self.records))

    def select(self, indices: Iterable[int]) -> Dataset:
        """The data set of only these frames, in the given order."""
        chosen = list(indices)
        return replace(
            self, records=tuple(self.records[i] for i in chosen), areas=self.areas[chosen], sizes=self.sizes[chosen]
        )


def load_dataset(
    folder: Path | str,
    layout: str | None = None,
    classes: tuple[str, ...] | None = None,
    subject_pattern: str | None = None,
    progress: Progress | None = None,
    assumed_classes: tuple[str, ...] | None = None,
    spacing_mm: Spacing | None = None,
    faults: list[str] | None = None,
) -> Dataset:
    """Open a data set, finding its layout where none is named, and look at every mask once; frames are not decoded.

    ``classes``: names of labels 1, 2, ...; else those in its ``classes.txt``, else those that its own files tell, else
    ``assumed_classes``, of which masks of 0 and 255 hold the first.
    ``subject_pattern``: a regular expression whose first group, searched in the image's name, is the subject, for
    layouts that do not tell it. ``spacing_mm``: (row, column) of the frames of which neither the layout nor the file
    tells it. Raises `InputError` with the file and the fix for whatever is wrong; with ``faults`` a frame that is wrong
    is left out, and what is wrong with it is added there.

    >>> load_dataset("frames").classes  # doctest: +SKIP
    ('nerve',)
    """
    folder = Path(folder)
    name = find_layout(folder, layout)
    records = _records(folder, name, faults)
    if subject_pattern is not None:
        records = [_with_subject(record, subject_pattern) for record in records]
    known = classes or _named_classes(folder) or class_names(records, assumed_classes)
    records = named(records, known or assumed_classes)
    looks, records = _looks(records, spacing_mm, faults, progress)
    values = {look.file: frozenset(look.counts) for look in looks}
    found = resolve_classes(values, known or assumed(values, assumed_classes))
    areas = np.array([look.shares(len(found)) for look in looks]).reshape(len(records), len(found))
    records = [replace(record, spacing_mm=look.spacing_mm) for record, look in zip(records, looks, strict=True)]
    return Dataset(folder, name, tuple(records), found, areas, np.array([look.size for look in looks]))


def _records(folder: Path, layout: str, faults: list[str] | None) -> list[Record]:
    """What the layout reads; with ``faults`` the rest of it where some files cannot be used."""
    try:
        return LAYOUTS[layout].read(folder)
    except FaultyRecordsError as error:
        if faults is None or not error.records:
            raise
        faults += error.faults
        return error.records


def _looks(
    records: list[Record], spacing_mm: Spacing | None, faults: list[str] | None, progress: Progress | None
) -> tuple[list[_Look], list[Record]]:
    """A look at every mask, and the records they belong to."""

    def look_or_fault(record: Record) -> _Look | InputError:
        try:
            return _look(record, spacing_mm)
        except InputError as error:
            if faults is None:
                raise
            return error

    found: list[_Look | InputError] = []
    with ThreadPoolExecutor(READERS) as pool:
        for look in pool.map(look_or_fault, records):
            found.append(look)
            if progress is not None:
                progress(len(found), len(records))
    if faults is not None:
        faults += [str(fault) for fault in found if isinstance(fault, InputError)]
    kept = [(look, record) for look, record in zip(found, records, strict=True) if isinstance(look, _Look)]
    if records and not kept:
        raise InputError(f"none of {len(records)} frames can be used; the first: {found[0]}")
    return [look for look, _ in kept], [record for _, record in kept]


@dataclass(frozen=True)
class _Look:
    """What one mask holds, ``counts`` of pixels per stored value, and what its frame's header says."""

    file: str
    size: tuple[int, int]
    spacing_mm: Spacing | None
    counts: dict[int, int]

    def shares(self, classes: int) -> list[float]:
        pixels = self.size[0] * self.size[1]
        if classes == 1:  # 1 and 255 both say yes
            return [sum(count for value, count in self.counts.items() if value) / pixels]
        return [self.counts.get(label, 0) / pixels for label in range(1, classes + 1)]


def _look(record: Record, spacing_mm: Spacing | None) -> _Look:
    header = read_header(record.image)
    if record.place is None:
        header.place(record.image, None)
    elif record.place >= header.frames and record.place >= (held := count_frames(record.image)):
        raise InputError(f"{record.image}: no frame {record.place}; it holds {held}, counted from 0")
    size = header.size
    for x, y, width, height in record.boxes or ():
        if x >= size[1] or y >= size[0] or x + width <= 0 or y + height <= 0:
            raise InputError(
                f"{record.name}: the box {[x, y, width, height]} lies outside of its frame of {size[1]} x {size[0]}; "
                "expected [x, y, width, height] in pixels"
            )
    spacing = record.spacing_mm or header.spacing_mm or spacing_mm
    return _Look(_mask_name(record), size, spacing, _count_values(_stored_values(record, size)))


def _count_values(values: NDArray[np.uint8]) -> dict[int, int]:
    brightest = int(values.max(initial=0))
    if brightest <= 1:  # most masks, and several times faster
        ones = int(np.count_nonzero(values))
        counts = {0: values.size - ones, 1: ones}
        return {value: count for value, count in counts.items() if count}
    counted = np.bincount(values.ravel(), minlength=1)
    return {int(value): int(counted[value]) for value in np.flatnonzero(counted)}


def _mask_name(record: Record) -> str:
    """What messages call the frame's mask."""
    if record.mask is None or isinstance(record.mask, Path):
        return str(record.mask)
    return f"{record.mask.file} ({record.name})"


def _stored_values(record: Record, size: tuple[int, int]) -> NDArray[np.uint8]:
    if record.mask is None:
        raise InputError(f"{record.image}: no mask; expected one (all 0 where there is no nerve)")
    if not isinstance(record.mask, Path):
        try:
            return record.mask.values(size)
        except InputError as error:
            raise InputError(f"{record.mask.file}, {record.name}: {error}") from error
    values = read_labels(record.mask)
    if values.shape != size:
        raise InputError(
            f"{record.mask}: the mask is {values.shape[1]} x {values.shape[0]}, its frame {record.image.name} is "
            f"{size[1]} x {size[0]}; export both in one size"
        )
    return values


def _named_classes(folder: Path) -> tuple[str, ...] | None:
    """The names in ``classes.txt``, one a line in the order of the label values, where there is one."""
    file = folder / "classes.txt"
    if not file.is_file():
        return None
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not text in UTF-8 ({error}); save it as such") from error
    if not names or len(set(names)) != len(names):
        raise InputError(f"{file}: expected one different class name per line, the name of label 1 first")
    return names


def _with_subject(record: Record, pattern: str) -> Record:
    try:
        found = re.search(pattern, record.name)
    except re.error as error:
        raise InputError(f"--subject-pattern {pattern!r}: not a regular expression ({error})") from error
    if found is None or not found.groups() or not found.group(1):
        raise InputError(f"--subject-pattern {pattern!r}: finds no subject in {record.name}; expected one (group)")
    return replace(record, subject=found.group(1))
