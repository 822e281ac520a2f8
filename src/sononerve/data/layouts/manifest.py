"""A table, ``manifest.csv``, that says what belongs together: the layout that can hold everything sononerve knows.

Columns: ``image`` and ``mask`` (paths below the manifest's folder), and as far as known ``subject``, ``video``,
``frame`` (number in the video), ``boxes_xywh`` (JSON list of ``[x, y, width, height]`` in pixels), ``spacing`` (mm per
pixel, ``row,col`` or one number) or ``spacing_row_mm`` and ``spacing_col_mm``, ``annotator``. Further columns are
ignored. An image or mask may be a file of many frames: ``frame`` says which. Where there is no mask but the column
``boxes_xywh``, the mask is the boxes, filled.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ...errors import InputError
from ...frame import Sample
from ...io import frames
from ...io.atomic import write_text
from ...io.images import write_png
from ...io.inside import path_inside
from . import columns
from .facts import Facts
from .masks import FilledBoxes, MaskFrame
from .names import Names, refuse_twins
from .record import Record, StoredMask, sound

TABLE = "manifest.csv"
COLUMNS = ("image", "mask", "subject", "video", "frame", "boxes_xywh", "spacing", "annotator")
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
    records, faults = [], []
    for where, row in rows:
        try:
            records.append(_record(folder, row, where))
        except InputError as error:
            faults.append(str(error))
    refuse_twins(records, table)
    return sound(records, faults)


def _record(folder: Path, row: columns.Row, where: str) -> Record:
    if not row["image"]:
        raise InputError(f"{where}: no image; expected its path below the manifest's folder")
    image = path_inside(folder, row["image"], where, "manifest")
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
        file = path_inside(folder, row["mask"], where, "manifest")
        many = _holds_many(file, number, where)
        return MaskFrame(file, number) if many and number is not None else file
    boxes = columns.boxes(row, where)
    if boxes is None:
        raise InputError(
            f"{where}: no mask for {row['image']}; expected a path (a mask of zeros where there is no nerve), or boxes "
            "in a column boxes_xywh"
        )
    return FilledBoxes(boxes, folder / TABLE)


def write(samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path) -> Names:
    """Write images/, masks/, classes.txt and the table, with the columns of which anything is known."""
    names, rows = Names(), []
    for name, sample in samples:
        new = f"{names.path(name)}.png"
        write_png(folder / "images" / new, sample.frame.pixels)
        if sample.labels is not None:
            write_png(folder / "masks" / new, sample.labels)
        rows.append({"image": f"images/{new}", "mask": f"masks/{new}", **_cells(Facts.of(sample))})
        names.note(f"images/{new}", name, sample.subject)
    used = [column for column in COLUMNS if column in ("image", "mask") or any(row.get(column) for row in rows)]
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, used, extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes))
    return names


def _cells(facts: Facts) -> dict[str, str]:
    return {
        "subject": facts.subject or "",
        "video": facts.video or "",
        "frame": "" if facts.frame is None else str(facts.frame),
        "boxes_xywh": "" if facts.boxes_xywh is None else json.dumps(facts.boxes_xywh),
        "spacing": "" if facts.spacing is None else f"{facts.spacing[0]!r},{facts.spacing[1]!r}",
        "annotator": facts.annotator or "",
    }
