"""What the columns of a table say: boxes, spacing and numbers of frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from ...errors import InputError
from ...frame import Spacing
from .record import Box

Row = dict[str, str]


def read_rows(table: Path, needed: Sequence[str], instead: Mapping[str, str] | None = None) -> list[tuple[str, Row]]:
    """Each row with where it stands, for messages; raise `InputError` where a needed column is missing, or all rows.

    ``instead``: which column does for which of those needed.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            there = set(rows.fieldnames or ())
            missing = [name for name in needed if name not in there and (instead or {}).get(name) not in there]
            if missing:
                raise InputError(
                    f"{table}: no column {', '.join(missing)}; expected {', '.join(needed)}, ...{_what_is_there(there)}"
                )
            found = [(f"{table}, line {rows.line_num}", _texts(row)) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a CSV file in UTF-8 ({error}); save it as one") from error
    if not found:
        raise InputError(f"{table}: no rows; expected one per frame")
    return found


def _what_is_there(columns: Set[str]) -> str:
    """What may be wrong with the first line: a spreadsheet's own separator, or other names."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and mark in next(iter(columns)):
            return f": it is separated by {name}, save it with commas"
    return f", found {', '.join(sorted(columns))[:200]}" if columns else ", found nothing"


def _texts(row: Mapping[str | None, str | list[str] | None]) -> Row:
    """Without what stands beyond the last column."""
    return {key: (value or "").strip() for key, value in row.items() if key is not None and not isinstance(value, list)}


def frame_number(row: Row, where: str) -> int | None:
    """The column ``frame``: a number from 0, or None where it is empty."""
    text = row.get("frame", "")
    if text and not (text.isdecimal() and len(text) < 10):
        raise InputError(f"{where}: frame is {text[:60]!r}; expected its number in the video, as 17")
    return int(text) if text else None


def boxes(row: Row, where: str) -> tuple[Box, ...] | None:
    """The column ``boxes_xywh``: none in an empty cell, None where there is no such column."""
    text = row.get("boxes_xywh")
    if not text:
        return None if text is None else ()
    try:
        found = [tuple(float(v) for v in box) for box in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{where}: boxes_xywh is {text[:60]!r}; expected a JSON list such as [[37, 132, 75, 76]]"
        ) from error
    for box in found:
        if len(box) != 4 or not all(abs(v) < 1e6 for v in box) or box[2] <= 0 or box[3] <= 0:
            raise InputError(f"{where}: a box is {list(box)}; expected [x, y, width, height] in pixels")
    return tuple((b[0], b[1], b[2], b[3]) for b in found)


def spacing(row: Row, where: str) -> Spacing | None:
    """The column ``spacing``, or the columns ``spacing_row_mm`` and ``spacing_col_mm``; None where they are empty."""
    pair = [row.get("spacing_row_mm", ""), row.get("spacing_col_mm", "")]
    text = row.get("spacing", "") or ",".join(pair).strip(",")
    if not text:
        return None
    try:
        numbers = [float(word) for word in text.replace(";", ",").split(",")]
    except ValueError as error:
        raise InputError(f"{where}: spacing is {text!r}; expected mm per pixel as row,col or one number") from error
    halved = not row.get("spacing", "") and not all(pair)
    if halved or len(numbers) not in (1, 2) or not all(0 < v < 100 for v in numbers):
        raise InputError(f"{where}: spacing is {text!r}; expected mm per pixel as row,col or one number")
    return numbers[0], numbers[-1]
