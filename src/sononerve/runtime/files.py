"""Predict many files into a folder: masks, overlays, probabilities and a table, resumable, one bad file at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..frame import Segmentation, Spacing
from ..io.atomic import write_bytes
from ..io.images import is_image, read_frame, write_png
from ..io.overlay import overlay
from .predictor import Predictor

TABLE = "measurements.csv"
COLUMNS = (
    *("file", "class", "presence", "area_px", "area_mm2", "centroid_x", "centroid_y"),
    *("box_x", "box_y", "box_width", "box_height"),
)


@dataclass(frozen=True)
class Wanted:
    """What is written per frame, beside its rows in the table.

    ``mask_ending``: a mask is called ``<stem><mask_ending>.png``. ``probabilities``: 16-bit PNG per class, 65535 is 1.
    """

    mask_ending: str = ""
    overlays: bool = True
    probabilities: bool = False

    def paths(self, file: Path, out: Path, classes: Sequence[str]) -> dict[str, Path]:
        """Where each output of ``file`` goes."""
        paths = {"mask": out / f"{file.stem}{self.mask_ending}.png"}
        if self.overlays:
            paths["overlay"] = out / "overlays" / f"{file.stem}.png"
        if self.probabilities:
            paths |= {name: out / "probabilities" / f"{file.stem}_{name.replace(' ', '-')}.png" for name in classes}
        return paths


@dataclass(frozen=True)
class Outcome:
    """``done`` and ``skipped`` count files; ``failed`` says what was wrong with each bad one."""

    done: int
    skipped: int
    failed: tuple[str, ...]


def list_images(inputs: Iterable[Path]) -> list[Path]:
    """The images among ``inputs``, folders opened (not their subfolders); raise `InputError` for none or twins."""
    files: list[Path] = []
    for given in inputs:
        found = sorted(p for p in given.iterdir() if p.is_file() and is_image(p)) if given.is_dir() else [given]
        if not found:
            raise InputError(f"{given}: holds no image; expected PNG, JPEG, TIFF or BMP files")
        files += found
    seen: dict[str, Path] = {}
    for file in files:
        if file.stem in seen and seen[file.stem] != file:
            raise InputError(f"{seen[file.stem]} and {file} would have one output; predict them into two folders")
        seen[file.stem] = file
    return list(seen.values())


def predict_files(
    predictor: Predictor,
    files: Sequence[Path],
    out: Path,
    wanted: Wanted,
    resume: bool = False,
    overwrite: bool = False,
    spacing_mm: Spacing | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Segment ``files`` into ``out``; a file that cannot be read is noted and the rest goes on.

    ``resume`` leaves files alone that are in the table already; without it or ``overwrite``, anything that would be
    replaced raises `InputError` before work starts.
    """
    rows = _read_table(out / TABLE) if resume else []
    finished = {row["file"] for row in rows}
    if not resume and not overwrite:
        _refuse_to_replace(files, out, wanted, predictor.classes)
    out.mkdir(parents=True, exist_ok=True)
    _write_table(out / TABLE, rows)
    done, failed = 0, []
    for number, file in enumerate(files, start=1):
        if str(file) not in finished:
            try:
                segmentation = predictor.predict(read_frame(file, spacing_mm))
                _save(segmentation, wanted.paths(file, out, predictor.classes))
                with (out / TABLE).open("a", newline="", encoding="utf-8") as table:
                    csv.DictWriter(table, COLUMNS).writerows(measurement_rows(str(file), segmentation))
                done += 1
            except InputError as error:
                failed.append(str(error))
        if progress is not None:
            progress(number, len(files))
    return Outcome(done, len(files) - done - len(failed), tuple(failed))


def measurement_rows(file: str, segmentation: Segmentation) -> list[dict[str, str]]:
    """One row of the table per class; empty fields where nothing was found or the spacing is unknown."""
    rows = []
    for measured in segmentation.measurements:
        x, y = measured.centroid or (None, None)
        box = measured.box or (None, None, None, None)
        area_mm2 = "" if measured.area_mm2 is None else f"{measured.area_mm2:.3f}"
        texts = [file, measured.name, f"{segmentation.presence:.4f}", str(measured.area_px), area_mm2]
        texts += ["" if v is None else f"{v:.1f}" for v in (x, y)] + ["" if v is None else str(v) for v in box]
        rows.append(dict(zip(COLUMNS, texts, strict=True)))
    return rows


def _save(segmentation: Segmentation, paths: dict[str, Path]) -> None:
    for kind, path in paths.items():
        if kind == "mask":
            write_png(path, segmentation.labels)
        elif kind == "overlay":
            write_png(path, overlay(segmentation.frame.pixels, segmentation.labels))
    for name, probability in zip(segmentation.classes, segmentation.probabilities, strict=True):
        if name in paths:
            write_png(paths[name], np.rint(probability.clip(0, 1) * 65535).astype(np.uint16))


def _refuse_to_replace(files: Sequence[Path], out: Path, wanted: Wanted, classes: Sequence[str]) -> None:
    planned = [path for file in files for path in wanted.paths(file, out, classes).values()]
    there = [path for path in [out / TABLE, *planned] if path.exists()]
    if there:
        raise InputError(
            f"{there[0]}: is there already; use --resume to go on, --overwrite to replace, or another --out"
        )


def _read_table(path: Path) -> list[dict[str, str]]:
    """Rows written whole: a last line that was cut off when the process was killed is left out."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise InputError(f"{path}: not a table of this version; predict into another --out")
        return [row for row in rows if None not in row.values()]


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    lines = [",".join(COLUMNS), *[",".join(_quoted(row[column]) for column in COLUMNS) for row in rows]]
    write_bytes(path, ("\r\n".join(lines) + "\r\n").encode())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text
