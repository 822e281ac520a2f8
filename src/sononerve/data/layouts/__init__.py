"""What a data set looks like on disk. A new layout is one file here and one line in ``LAYOUTS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from . import folders, kaggle, manifest, videos
from .record import Box, Record, RunLengths, StoredMask

__all__ = ["LAYOUTS", "Box", "Layout", "Record", "RunLengths", "StoredMask", "find_layout"]


@dataclass(frozen=True)
class Layout:
    """``matches(folder)``: does it look like this? ``read(folder)``: its frames, or `InputError`."""

    matches: Callable[[Path], bool]
    read: Callable[[Path], list[Record]]
    looks_like: str


LAYOUTS = {
    "manifest": Layout(manifest.matches, manifest.read, "a manifest.csv with the columns image and mask"),
    "videos": Layout(videos.matches, videos.read, "a folder videos/ beside video_boxes.csv or masks/"),
    "kaggle": Layout(kaggle.matches, kaggle.read, "SUBJECT_N.tif beside SUBJECT_N_mask.tif"),
    "folders": Layout(folders.matches, folders.read, "a folder images/ beside a folder masks/"),
}


def find_layout(folder: Path, name: str | None = None) -> str:
    """Name the layout of ``folder``, or check the ``name`` given; raise `InputError` where none or two fit.

    A manifest is believed before the folders that it lists.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a data set")
    if name is not None:
        if name not in LAYOUTS:
            raise InputError(f"--layout {name}: unknown; expected one of {', '.join(LAYOUTS)}")
        return name
    fitting = [key for key, layout in LAYOUTS.items() if layout.matches(folder)]
    if "manifest" in fitting:
        fitting = [key for key in fitting if key not in ("folders", "videos")]
    if not fitting:
        known = "; ".join(f"{layout.looks_like} ({key})" for key, layout in LAYOUTS.items())
        kind = "is empty" if not any(folder.iterdir()) else "holds no data set that is known"
        raise InputError(f"{folder}: {kind}; expected {known}")
    if len(fitting) > 1:
        raise InputError(f"{folder}: looks like {' and '.join(fitting)} at once; say which with --layout")
    return fitting[0]
