"""Kaggle's Ultrasound Nerve Segmentation: ``SUBJECT_N.tif`` and ``SUBJECT_N_mask.tif``, or masks in train_masks.csv."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...frame import Sample
from ...io import rle
from ...io.atomic import write_text
from ...io.images import write_tiff
from .facts import is_number
from .names import Folds, Names
from .record import Record, RunLengths, sound

FRAME = re.compile(r"(\d+)_(\d+)\.tif", re.IGNORECASE)
MASK = re.compile(r"(\d+_\d+)_mask\.tif", re.IGNORECASE)
TABLE, TRUTH = "train_masks.csv", "solution.csv"


def _home(folder: Path) -> Path:
    inner = folder / "train"
    return inner if inner.is_dir() and not _has_frames(folder) else folder


def _has_frames(folder: Path) -> bool:
    return any(FRAME.fullmatch(path.name) for path in folder.iterdir())


def matches(folder: Path) -> bool:
    """Whether the folder, or ``train`` in it, holds frames with Kaggle's names."""
    return _has_frames(_home(folder))


def read(folder: Path) -> list[Record]:
    """Pair frames with their masks; the mask's file goes before the table. Raise `InputError` without either."""
    home = _home(folder)
    tables = [path for path in (home / TABLE, folder / TABLE) if path.is_file()]
    runs = _read_table(tables[0]) if tables else {}
    records, faults = [], []
    files = _by_lower_name(home)
    for path in files.values():
        alone = MASK.fullmatch(path.name)
        if alone is not None and f"{alone.group(1)}.tif" not in files:
            faults.append(f"{path}: a mask without an image; expected {alone.group(1)}.tif beside it, or remove it")
        found = FRAME.fullmatch(path.name)
        if found is None:
            continue
        subject, number = found.groups()
        mask = files.get(f"{path.stem}_mask.tif") or runs.get((subject, number))
        if mask is None:
            faults.append(f"{path}: no mask; expected {path.stem}_mask.tif beside it or a row in {TABLE}")
            continue
        records.append(Record(path.relative_to(folder).as_posix(), path, mask, subject=subject, index=int(number)))
    if not records and not faults:
        raise InputError(f"{folder}: expected frames named SUBJECT_N.tif, as 1_1.tif")
    return sound(records, faults)


def _by_lower_name(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        twin = found.setdefault(path.name.lower(), path)
        if twin != path and (FRAME.fullmatch(path.name) or MASK.fullmatch(path.name)):
            raise InputError(f"{path}: {twin.name} has the same name; keep one of the two")
    return found


def _read_table(path: Path) -> dict[tuple[str, str], RunLengths]:
    runs: dict[tuple[str, str], RunLengths] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"subject", "img", "pixels"} - set(rows.fieldnames or ())
            if missing:
                raise InputError(f"{path}: no column {', '.join(sorted(missing))}; expected subject,img,pixels")
            for row in rows:
                if row["pixels"] is None:
                    raise InputError(f"{path}, line {rows.line_num}: cut off; expected subject,img,pixels")
                runs[row["subject"], row["img"]] = RunLengths(row["pixels"], path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error}); save it as one") from error
    return runs


def write(
    samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path, folds: Folds | None = None
) -> Names:
    """Write train/ with frames and masks of the first class, and train_masks.csv.

    A subject that is not called by a number gets one, and so does a frame without a number or with one that is taken.
    The test part of ``folds``, a single one, goes to test/ as N.tif, without masks and subjects; its run lengths go to
    solution.csv. Raises `InputError` for a frame without subject.
    """
    if folds is not None and len(folds) != 1:
        raise InputError(f"the split has {len(folds)} folds; expected one hold-out, for Kaggle's layout has one test/")
    held_out = set(folds[0]["test"]) if folds is not None else set()
    names, numbers, tested = Names(), _Numbers(), 0
    (folder / "train").mkdir()
    with (folder / TABLE).open("w", encoding="ascii") as table, (folder / TRUTH).open("w", encoding="ascii") as truth:
        table.write("subject,img,pixels\n")
        truth.write("img,pixels\n")
        for name, sample in samples:
            mask = np.zeros(sample.frame.shape, np.uint8) if sample.labels is None else sample.labels == 1
            if name in held_out:
                tested += 1
                new = f"test/{tested}.tif"
                truth.write(f"{tested},{rle.encode(mask)}\n")
            else:
                subject, number = numbers.of(name, sample)
                new = f"train/{subject}_{number}.tif"
                table.write(f"{subject},{number},{rle.encode(mask)}\n")
                write_tiff(folder / "train" / f"{subject}_{number}_mask.tif", mask.astype(np.uint8) * 255)
            write_tiff(folder / new, sample.frame.pixels)
            names.note(new, name, sample.subject)
    if folds is None:
        (folder / TRUTH).unlink()
    write_text(folder / "classes.txt", f"{classes[0]}\n")
    return names


class _Numbers:
    """Gives each subject its number, and each of its frames one."""

    def __init__(self) -> None:
        self.subjects: dict[str, int] = {}
        self.frames: dict[str, set[int]] = {}

    def of(self, name: str, sample: Sample) -> tuple[int, int]:
        """The numbers of subject and frame."""
        subject = sample.subject
        if subject is None:
            raise InputError(f"{name}: has no subject, and Kaggle's names need one; name it with --subject-pattern")
        if subject not in self.subjects:
            given = set(self.subjects.values())
            wanted = int(subject) if is_number(subject) else 1
            self.subjects[subject] = wanted if wanted not in given else _free(given)
        taken = self.frames.setdefault(subject, set())
        number = sample.index
        if number is None or number in taken:
            number = _free(taken)
        taken.add(number)
        return self.subjects[subject], number


def _free(taken: set[int]) -> int:
    return max(taken, default=0) + 1
