"""A table, ``manifest.csv``, that says what belongs together: the layout that can hold everything sononerve knows.

Columns: ``image`` and ``mask`` (paths below the manifest's folder), and as far as known ``subject``, ``video``,
``frame`` (number in the video), ``boxes_xywh`` (JSON list of ``[x, y, width, height]`` in pixels), ``spacing`` (mm per
pixel, ``row,col`` or one number), ``annotator``. Further columns are ignored.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ...errors import InputError
from ...frame import Sample, Spacing
from ...io.atomic import write_text
from ...io.images import write_png
from ...io.inside import path_inside
from .facts import Facts
from .names import Names, refuse_twins
from .record import Box, Record

TABLE = "manifest.csv"
COLUMNS = ("image", "mask", "subject", "video", "frame", "boxes_xywh", "spacing", "annotator")


def matches(folder: Path) -> bool:
    """Whether there is a manifest."""
    return (folder / TABLE).is_file()


def read(folder: Path) -> list[Record]:
    """Read every row; raise `InputError` with the line's number for a path that leaves the folder, or a bad value."""
    table = folder / TABLE
    if not table.is_file():
        raise InputError(f"{table}: no such file; expected a table with the columns image and mask")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"image", "mask"} - set(rows.fieldnames or ())
            if missing:
                raise InputError(
                    f"{table}: no column {', '.join(sorted(missing))}; expected image, mask, subject, video, ..."
                )
            boxed = "boxes_xywh" in (rows.fieldnames or ())
            records = [_record(folder, row, f"{table}, line {rows.line_num}", boxed) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a CSV file in UTF-8 ({error}); save it as one") from error
    if not records:
        raise InputError(f"{table}: no rows; expected one per frame")
    refuse_twins(records, table)
    return records


def _record(folder: Path, row: dict[str, str | None], where: str, boxed: bool) -> Record:
    values = {
        key: (value or "").strip() for key, value in row.items() if key is not None and not isinstance(value, list)
    }
    if not values["image"]:
        raise InputError(f"{where}: no image; expected its path below the manifest's folder")
    image = path_inside(folder, values["image"], where, "manifest")
    if not values["mask"]:
        raise InputError(
            f"{where}: no mask for {values['image']}; expected a path (a mask of zeros where there is no nerve)"
        )
    frame = values.get("frame", "")
    if frame and not frame.isdecimal():
        raise InputError(f"{where}: frame is {frame!r}; expected its number in the video, as 17")
    return Record(
        name=PurePosixPath(values["image"].replace("\\", "/")).as_posix(),
        image=image,
        mask=path_inside(folder, values["mask"], where, "manifest"),
        subject=values.get("subject") or None,
        video=values.get("video") or None,
        index=int(frame) if frame else None,
        boxes=_boxes(values.get("boxes_xywh", ""), where) if boxed else None,
        spacing_mm=_spacing(values.get("spacing", ""), where),
        annotator=values.get("annotator") or None,
    )


def _boxes(text: str, where: str) -> tuple[Box, ...]:
    if not text:
        return ()
    try:
        boxes = [tuple(float(v) for v in box) for box in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{where}: boxes_xywh is {text[:60]!r}; expected a JSON list such as [[37, 132, 75, 76]]"
        ) from error
    for box in boxes:
        if len(box) != 4 or not all(abs(v) < 1e6 for v in box) or box[2] <= 0 or box[3] <= 0:
            raise InputError(f"{where}: a box is {list(box)}; expected [x, y, width, height] in pixels")
    return tuple((b[0], b[1], b[2], b[3]) for b in boxes)


def _spacing(text: str, where: str) -> Spacing | None:
    if not text:
        return None
    try:
        numbers = [float(word) for word in text.replace(";", ",").split(",")]
    except ValueError as error:
        raise InputError(f"{where}: spacing is {text!r}; expected mm per pixel as row,col or one number") from error
    if len(numbers) not in (1, 2) or not all(0 < v < 100 for v in numbers):
        raise InputError(f"{where}: spacing is {text!r}; expected mm per pixel as row,col or one number")
    return numbers[0], numbers[-1]


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
