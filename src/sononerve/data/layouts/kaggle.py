"""Kaggle's Ultrasound Nerve Segmentation: ``SUBJECT_N.tif`` and ``SUBJECT_N_mask.tif``, or masks in train_masks.csv."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from ...errors import InputError
from .record import Record, RunLengths

FRAME = re.compile(r"(\d+)_(\d+)\.tif", re.IGNORECASE)
MASK = re.compile(r"(\d+_\d+)_mask\.tif", re.IGNORECASE)
TABLE = "train_masks.csv"


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
    records = []
    files = _by_lower_name(home)
    for path in files.values():
        alone = MASK.fullmatch(path.name)
        if alone is not None and f"{alone.group(1)}.tif" not in files:
            raise InputError(f"{path}: a mask without an image; expected {alone.group(1)}.tif beside it, or remove it")
        found = FRAME.fullmatch(path.name)
        if found is None:
            continue
        subject, number = found.groups()
        mask = files.get(f"{path.stem}_mask.tif") or runs.get((subject, number))
        if mask is None:
            raise InputError(f"{path}: no mask; expected {path.stem}_mask.tif beside it or a row in {TABLE}")
        records.append(Record(path.relative_to(folder).as_posix(), path, mask, subject=subject, index=int(number)))
    if not records:
        raise InputError(f"{folder}: expected frames named SUBJECT_N.tif, as 1_1.tif")
    return records


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
