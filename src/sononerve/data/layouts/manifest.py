"""A table, ``manifest.csv``, that says what belongs together: the layout that can hold everything sononerve knows.

Columns: ``image`` and ``mask`` (paths below the manifest's folder), and as far as known ``subject``, ``video``,
``frame`` (number in the video), ``boxes_xywh`` (JSON list of ``[x, y, width, height]`` in pixels), ``spacing`` (mm per
pixel, ``row,col`` or one number) or ``spacing_row_mm`` and ``spacing_col_mm``, ``annotator``. Further columns are
ignored. An image or mask may be a file of many frames: ``frame`` says which. Where there is no mask but the column
``boxes_xywh``, the mask is the boxes, filled.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from ...errors import InputError
from ...io import frames
from . import columns
from .masks import FilledBoxes, MaskFrame
from .record import Record, StoredMask

TABLE = "manifest.csv"
ALWAYS_ONE = (".png", ".jpg", ".jpeg", ".bmp")


def matches(folder: Path) -> bool:
    """Whether there is a manifest."""
    return (folder / TABLE).is_file()


def read(folder: Path) -> list[Record]:
    """Read every row; raise `InputError` with the line's number for a path that leaves the folder, or a bad value."""
    table = folder / TABLE
    if not table.is_file():
        raise InputError(f"{table}: no such file; expected a table with the columns image and mask")
    rows = columns.read_rows(table, ["image", "mask"], {"mask": "boxes_xywh"})
    records = [_record(folder, row, where) for where, row in rows]
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            raise InputError(f"{table}: {record.name} is listed twice; keep one row")
        seen.add(record.name)
    return records


def _record(folder: Path, row: columns.Row, where: str) -> Record:
    if not row["image"]:
        raise InputError(f"{where}: no image; expected its path below the manifest's folder")
    image = _inside(folder, row["image"], where)
    number = columns.frame_number(row, where)
    many = _holds_many(image, number, where)
    name = PurePosixPath(row["image"].replace("\\", "/")).as_posix()
    return Record(
        name=f"{name}#{number}" if many else name,
        image=image,
        mask=_mask(folder, row, number, where),
        subject=row.get("subject") or None,
        video=row.get("video") or (name if many else None),
        index=number,
        boxes=columns.boxes(row, where),
        spacing_mm=columns.spacing(row, where),
        annotator=row.get("annotator") or None,
        place=number if many else None,
    )


def _holds_many(file: Path, number: int | None, where: str) -> bool:
    """Whether it is a file of many frames, of which ``number`` is meant."""
    suffix = frames.suffix_of(file)
    if suffix in ALWAYS_ONE:
        return False
    many = suffix in frames.VIDEO_SUFFIXES or (file.is_file() and frames.read_header(file).frames > 1)
    if many and number is None:
        raise InputError(f"{where}: {file.name} holds many frames; expected the number of one in the column frame")
    return many


def _mask(folder: Path, row: columns.Row, number: int | None, where: str) -> Path | StoredMask:
    if row.get("mask"):
        file = _inside(folder, row["mask"], where)
        many = _holds_many(file, number, where)
        return MaskFrame(file, number) if many and number is not None else file
    boxes = columns.boxes(row, where)
    if boxes is None:
        raise InputError(
            f"{where}: no mask for {row['image']}; expected a path (a mask of zeros where there is no nerve), or boxes "
            "in a column boxes_xywh"
        )
    return FilledBoxes(boxes, folder / TABLE)


def _inside(folder: Path, name: str, where: str) -> Path:
    """The path ``name`` below ``folder``; raise `InputError` for one that leaves it."""
    below = PurePosixPath(name.replace("\\", "/"))
    path = folder / below
    outside = below.is_absolute() or PureWindowsPath(name).drive or ".." in below.parts or "\0" in name
    if outside or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{where}: {name!r} leaves the manifest's folder; expected a path below it")
    return path
