"""Whole clips in a folder ``videos/``, with boxes in a table beside it or masks in a folder beside it.

``video_boxes.csv``, columns ``video`` (the clip's name), ``frame`` (from 0) and ``boxes_xywh``, further ones as in a
manifest: a frame per row, whose mask is its boxes, filled. Without that table, masks: ``masks/CLIP/000017.png`` for
frame 17, or a file ``masks/CLIP.nii.gz`` (or video, TIFF, DICOM) that holds a mask for every frame. Frames that nobody
labelled are left out. Clips are videos, or DICOM, NIfTI and TIFF files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...io import frames
from . import columns
from .masks import FilledBoxes, MaskFrame
from .record import Record, StoredMask

VIDEOS, MASKS, TABLE = "videos", "masks", "video_boxes.csv"


def matches(folder: Path) -> bool:
    """Whether there are clips, and a table of boxes or masks that are called like one of them."""
    if not (folder / VIDEOS).is_dir():
        return False
    return (folder / TABLE).is_file() or bool(_clips(folder).keys() & _mask_sources(folder).keys())


def read(folder: Path) -> list[Record]:
    """Read every labelled frame; raise `InputError` for labels without a clip and frames that a clip cannot hold."""
    clips = _clips(folder) if (folder / VIDEOS).is_dir() else {}
    if not clips:
        raise InputError(f"{folder / VIDEOS}: holds no clip; expected {frames.EXPECTED} files")
    if (folder / TABLE).is_file():
        return _boxed(folder, clips)
    sources = _mask_sources(folder)
    if not sources:
        raise InputError(f"{folder}: no labels for {VIDEOS}/; expected a table {TABLE} or a folder {MASKS}/")
    records: list[Record] = []
    for stem, source in sorted(sources.items()):
        if stem not in clips:
            raise InputError(f"{source}: masks without a clip; expected one of that name in {folder / VIDEOS}")
        records += _masked(folder, clips[stem], source)
    return records


def _clips(folder: Path) -> dict[str, Path]:
    """Files of frames in ``videos/`` by their names without ending."""
    return _by_stem(p for p in (folder / VIDEOS).iterdir() if frames.is_source(p))


def _mask_sources(folder: Path) -> dict[str, Path]:
    """Files and folders in ``masks/`` by the names of the clips they belong to."""
    masks = folder / MASKS
    if not masks.is_dir():
        return {}
    return _by_stem(p for p in masks.iterdir() if frames.is_source(p) or (p.is_dir() and p.name[0] != "."))


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(paths):
        stem = path.name if path.is_dir() else frames.stem_of(path)
        if stem in found:
            raise InputError(f"{path}: {found[stem].name} has the same name; keep one of the two")
        found[stem] = path
    return found


def _boxed(folder: Path, clips: dict[str, Path]) -> list[Record]:
    table = folder / TABLE
    by_name = {path.name: path for path in clips.values()} | clips
    records: dict[str, Record] = {}
    for where, row in columns.read_rows(table, ["video", "frame", "boxes_xywh"]):
        number, boxes = columns.frame_number(row, where), columns.boxes(row, where) or ()
        clip = by_name.get(row["video"])
        if clip is None or number is None:
            raise InputError(
                f"{where}: video is {row['video'][:60]!r}, frame {row['frame'][:60]!r}; expected the name of a clip in "
                f"{folder / VIDEOS} and a number from 0"
            )
        record = replace(
            _record(folder, clip, number, FilledBoxes(boxes, table)),
            subject=row.get("subject") or None,
            boxes=boxes,
            spacing_mm=columns.spacing(row, where),
            annotator=row.get("annotator") or None,
        )
        if record.name in records:
            raise InputError(f"{where}: {record.name} is listed twice; keep one row")
        records[record.name] = record
    return list(records.values())


def _masked(folder: Path, clip: Path, source: Path) -> list[Record]:
    if not source.is_dir():
        held, drawn = frames.read_header(clip).frames, frames.read_header(source).frames
        if held != drawn:
            raise InputError(f"{source}: {drawn} masks for the {held} frames of {clip.name}; expected one for each")
        return [_record(folder, clip, place, MaskFrame(source, place)) for place in range(held)]
    records = []
    for mask in sorted(p for p in source.iterdir() if frames.is_source(p)):
        number = frames.stem_of(mask)
        if not (number.isdecimal() and len(number) < 10):
            raise InputError(f"{mask}: its name is not a frame's number; expected 000017.png for frame 17, from 0")
        records.append(_record(folder, clip, int(number), mask))
    return sorted(records, key=lambda record: record.index or 0)


def _record(folder: Path, clip: Path, number: int, mask: Path | StoredMask) -> Record:
    name = clip.relative_to(folder).as_posix()
    return Record(f"{name}#{number}", clip, mask, video=frames.stem_of(clip), index=number, place=number)
