"""Predict many files into a folder: masks, overlays, probabilities and a table, resumable, one bad file at a time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..frame import Segmentation, Spacing
from ..io.atomic import blamed_on, check_folder, write_bytes
from ..io.images import is_image, read_frame, write_png
from ..io.overlay import overlay
from .predictor import Predictor

TABLE = "measurements.csv"
MASK, OVERLAY, PROBABILITY = "mask", "overlay", "probability"
COLUMNS = (
    *("file", "class", "presence", "area_px", "area_mm2", "centroid_x", "centroid_y"),
    *("box_x", "box_y", "box_width", "box_height", "model"),
)


@dataclass(frozen=True)
class Wanted:
    """What is written per frame, beside its rows in the table.

    ``mask_ending``: a mask is called ``<stem><mask_ending>.png``; no part of a path.
    ``probabilities``: 16-bit PNG per class, 65535 is 1.
    """

    mask_ending: str = ""
    overlays: bool = True
    probabilities: bool = False

    def paths(self, file: Path, out: Path, classes: Sequence[str]) -> dict[str, Path]:
        """Where each output of ``file`` goes."""
        paths = {MASK: out / f"{file.stem}{self.mask_ending}.png"}
        if self.overlays:
            paths[OVERLAY] = out / "overlays" / f"{file.stem}.png"
        if self.probabilities:
            for label, name in enumerate(classes, start=1):
                word = re.sub(r"[^\w-]+", "-", name).strip("-") or f"class-{label}"
                paths[f"{PROBABILITY} {label}"] = out / "probabilities" / f"{file.stem}_{word}.png"
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
        found = _images_in(given) if given.is_dir() else [given]
        if not found:
            raise InputError(f"{given}: holds no image; expected PNG, JPEG, TIFF or BMP files")
        files += found
    seen: dict[str, Path] = {}
    for file in files:
        if file.stem in seen and seen[file.stem].resolve() != file.resolve():
            raise InputError(f"{seen[file.stem]} and {file} would have one output; predict them into two folders")
        seen.setdefault(file.stem, file)
    return list(seen.values())


def _images_in(folder: Path) -> list[Path]:
    """A folder's images, without the hidden files that some systems leave beside them."""
    return sorted(p for p in folder.iterdir() if p.is_file() and is_image(p) and not p.name.startswith("."))


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

    ``resume`` leaves files alone that are in the table and whose pictures are all there; without it or ``overwrite``,
    anything that would be replaced raises `InputError` before work starts, as does a table that another model began.
    """
    if re.search(r"[/\\\0]", wanted.mask_ending):
        raise InputError(f"--mask-ending {wanted.mask_ending!r}: expected an ending such as _mask, without a folder")
    if resume and overwrite:
        raise InputError("--resume and --overwrite: expected one of them")
    check_folder(out)
    planned = _planned(files, out, wanted, predictor.classes)
    if not resume and not overwrite:
        _refuse_to_replace([out / TABLE, *planned])
    rows = _read_table(out / TABLE, predictor) if resume else []
    lacking = {str(planned[path]) for path in planned if not path.exists()}
    rows = [row for row in rows if row["file"] not in lacking]
    finished = {row["file"] for row in rows}
    done, failed = 0, []
    for number, file in enumerate(files, start=1):
        if str(file) not in finished:
            try:
                segmentation = predictor.predict(read_frame(file, spacing_mm))
                if done == 0:  # not before: what fails from the start leaves nothing behind
                    _write_table(out / TABLE, rows)
                _save(segmentation, wanted.paths(file, out, predictor.classes))
                with blamed_on(out / TABLE), (out / TABLE).open("a", newline="", encoding="utf-8") as table:
                    csv.DictWriter(table, COLUMNS).writerows(
                        measurement_rows(str(file), segmentation, predictor.bundle.identity)
                    )
                done += 1
            except InputError as error:
                failed.append(str(error))
        if progress is not None:
            progress(number, len(files))
    return Outcome(done, len(files) - done - len(failed), tuple(failed))


def measurement_rows(file: str, segmentation: Segmentation, model: str = "") -> list[dict[str, str]]:
    """One row of the table per class; empty fields where nothing was found or the spacing is unknown.

    ``model``: the `identity` of the bundle.
    """
    rows = []
    for measured in segmentation.measurements:
        x, y = measured.centroid or (None, None)
        box = measured.box or (None, None, None, None)
        area_mm2 = "" if measured.area_mm2 is None else f"{measured.area_mm2:.3f}"
        texts = [file, measured.name, f"{segmentation.presence:.4f}", str(measured.area_px), area_mm2]
        texts += ["" if v is None else f"{v:.1f}" for v in (x, y)] + ["" if v is None else str(v) for v in box]
        texts.append(model)
        rows.append(dict(zip(COLUMNS, texts, strict=True)))
    return rows


def _save(segmentation: Segmentation, paths: dict[str, Path]) -> None:
    write_png(paths[MASK], segmentation.labels)
    if OVERLAY in paths:
        write_png(paths[OVERLAY], overlay(segmentation.frame.pixels, segmentation.labels))
    for label, probability in enumerate(segmentation.probabilities, start=1):
        path = paths.get(f"{PROBABILITY} {label}")
        if path is not None:
            write_png(path, np.rint(probability.clip(0, 1) * 65535).astype(np.uint16))


def _planned(files: Sequence[Path], out: Path, wanted: Wanted, classes: Sequence[str]) -> dict[Path, Path]:
    """Every picture that will be written, with its file; raise `InputError` where two are one or one is a frame."""
    planned: dict[Path, Path] = {}
    frames = {file.resolve() for file in files}
    for file in files:
        for path in wanted.paths(file, out, classes).values():
            if path in planned:
                raise InputError(f"{planned[path]} and {file} would both write {path}; predict them into two folders")
            if path.resolve() in frames:
                raise InputError(f"{path}: is a frame to be segmented, and would be replaced; use another --out")
            planned[path] = file
    return planned


def _refuse_to_replace(planned: Sequence[Path]) -> None:
    there = [path for path in planned if path.exists()]
    if there:
        raise InputError(
            f"{there[0]}: is there already; use --resume to go on, --overwrite to replace, or another --out"
        )


def _read_table(path: Path, predictor: Predictor) -> list[dict[str, str]]:
    """The rows of files that are finished: those with a whole row for every class when the process was killed.

    Raises `InputError` for another table, and for one of another model.
    """
    if not path.is_file():
        return []
    whole, end, _ = path.read_bytes().rpartition(b"\n")
    try:
        rows = list(csv.DictReader(io.StringIO((whole + end).decode(), newline="")))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a table of this version; predict into another --out") from error
    if end and not (whole + end).decode().startswith(",".join(COLUMNS)):
        raise InputError(f"{path}: not a table of this version; predict into another --out")
    rows = [row for row in rows if None not in row.values()]
    if any(row["model"] != predictor.bundle.identity for row in rows):
        raise InputError(f"{path}: was begun with another model; use another --out")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["file"], []).append(row["class"])
    return [row for row in rows if found[row["file"]] == list(predictor.classes)]


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    lines = [",".join(COLUMNS), *[",".join(_quoted(row[column]) for column in COLUMNS) for row in rows]]
    write_bytes(path, ("\r\n".join(lines) + "\r\n").encode())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text
