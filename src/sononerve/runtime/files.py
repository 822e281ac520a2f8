"""Predict many files into a folder: masks, overlays, probabilities and a table, resumable, one bad file at a time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame, Measurement, Segmentation, Spacing
from ..io import frames
from ..io.atomic import blamed_on, check_folder, write_bytes
from ..io.images import write_png
from ..overlay import overlay
from ..process import one_thread
from .overlap import Ahead, Behind, in_order
from .predictor import Predictor

READ_AHEAD, MOST_BEHIND = 4, 4  # frames
TABLE = "measurements.csv"
MASK, OVERLAY, PROBABILITY, UNCERTAINTY = "mask", "overlay", "probability", "uncertainty"
MEASURED = ("area_px", "area_mm2", "centroid_x", "centroid_y", "box_x", "box_y", "box_width", "box_height")
COLUMNS = (
    "file",
    "frame",
    "time_s",
    "class",
    "presence",
    *MEASURED,
    "expected_dice",
    "uncertainty",
    "strangeness",
    "model",
)


@dataclass(frozen=True)
class Target:
    """A frame to segment: ``place`` is which of the file's frames, from 0; None is the only one."""

    file: Path
    place: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What the table's columns ``file`` and ``frame`` call it."""
        return str(self.file), "" if self.place is None else str(self.place)


@dataclass(frozen=True)
class Wanted:
    """What is written per frame, beside its rows in the table.

    ``mask_ending``: a mask is called ``<stem><mask_ending>.png``; no part of a path. A file of many frames gets a
    folder, ``<stem>/000017<mask_ending>.png``.
    ``probabilities``: 16-bit PNG per class, 65535 is 1. ``uncertainty``: one 16-bit PNG, 65535 is 1.
    """

    mask_ending: str = ""
    overlays: bool = True
    probabilities: bool = False
    uncertainty: bool = False

    def paths(self, target: Target, out: Path, classes: Sequence[str]) -> dict[str, Path]:
        """Where each output of ``target`` goes."""
        stem = frames.stem_of(target.file) if target.place is None else f"{target.place:06}"
        below = Path() if target.place is None else Path(frames.stem_of(target.file))
        paths = {MASK: out / below / f"{stem}{self.mask_ending}.png"}
        if self.overlays:
            paths[OVERLAY] = out / "overlays" / below / f"{stem}.png"
        if self.probabilities:
            for label, name in enumerate(classes, start=1):
                word = re.sub(r"[^\w-]+", "-", name).strip("-") or f"class-{label}"
                paths[f"{PROBABILITY} {label}"] = out / "probabilities" / below / f"{stem}_{word}.png"
        if self.uncertainty:
            paths[UNCERTAINTY] = out / "uncertainty" / below / f"{stem}.png"
        return paths


@dataclass(frozen=True)
class Outcome:
    """``done`` and ``skipped`` count frames; ``failed`` says what was wrong with each bad file.

    ``strange``: how many of those done are unlike the frames of the training.
    """

    done: int
    skipped: int
    failed: tuple[str, ...]
    strange: int = 0


def list_files(inputs: Iterable[Path]) -> list[Path]:
    """The files of ``inputs``, folders opened (not their subfolders); raise `InputError` for none or twins."""
    files: list[Path] = []
    for given in inputs:
        found = sorted(filter(frames.is_source, given.iterdir())) if given.is_dir() else [given]
        if not found:
            below = any(path.is_dir() for path in given.iterdir())
            told = "; the folders in it are not opened, name them one by one" if below else ""
            raise InputError(f"{given}: holds no image; expected {frames.EXPECTED} files{told}")
        files += found
    seen: dict[str, Path] = {}
    for file in files:
        stem = frames.stem_of(file)
        if stem in seen and seen[stem].resolve() != file.resolve():
            raise InputError(f"{seen[stem]} and {file} would have one output; give each its own --out")
        seen.setdefault(stem, file)
    return list(seen.values())


def _targets(file: Path) -> list[Target]:
    """The file's frames in order; one for a file that cannot be opened, so that reading it says why."""
    try:
        count = frames.count_frames(file)
    except InputError:
        return [Target(file)]
    if count <= 1 and frames.suffix_of(file) not in frames.VIDEO_SUFFIXES:
        return [Target(file)]
    return [Target(file, place) for place in range(max(1, count))]


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
    """Segment every frame of ``files`` into ``out``; a file that cannot be read is noted and the rest goes on.

    ``spacing_mm``: of the files that do not tell their own. ``resume`` leaves frames alone that are in the table and
    whose pictures are all there; without it or ``overwrite``, anything that would be replaced raises `InputError`
    before work starts, as does a table that another model began.
    """
    if re.search(r"[/\\\0]", wanted.mask_ending):
        raise InputError(f"--mask-ending {wanted.mask_ending!r}: expected an ending such as _mask, without a folder")
    if resume and overwrite:
        raise InputError("--resume and --overwrite: expected one of them")
    if wanted.uncertainty and not predictor.tells_uncertainty:
        raise InputError(
            f"--uncertainty: {predictor.bundle.source} tells one answer for each pixel, and no disagreement; use "
            "--flip, or join several with 'sononerve ensemble'"
        )
    check_folder(out)
    targets = [target for file in files for target in _targets(file)]
    planned = _planned(targets, out, wanted, predictor.classes)
    if not resume and not overwrite:
        _refuse_to_replace([out / TABLE, *planned])
    rows = _read_table(out / TABLE, predictor) if resume else []
    _refuse_to_mix(rows, planned, out, wanted, predictor.classes)
    lacking = {planned[path].key for path in planned if not path.exists()}
    rows = [row for row in rows if _key(row) not in lacking]
    finished = {_key(row) for row in rows}
    failed: dict[Path, str] = {}
    lacking_ones = [target for target in targets if target.key not in finished]
    skipped = len(targets) - len(lacking_ones)
    saver = _Saver(predictor, out, wanted, rows, lambda done: progress and progress(skipped + done, len(targets)))
    with (
        one_thread(),
        Ahead(_read(lacking_ones, spacing_mm, failed), READ_AHEAD) as readings,
        Behind(saver.save, MOST_BEHIND) as behind,
    ):
        for target, segmentation in in_order(readings, partial(_predict, predictor), predictor.at_once):
            behind.put((target, segmentation))
    return Outcome(saver.done, skipped, tuple(failed.values()), saver.strange)


def _read(
    targets: Sequence[Target], spacing_mm: Spacing | None, failed: dict[Path, str]
) -> Iterator[tuple[Target, Frame | None]]:
    """Frames as far as they can be read; of a file that cannot, what was wrong goes into ``failed``."""
    for target in targets:
        frame = None
        if target.file not in failed:
            try:
                frame = frames.read_frame(target.file, target.place)
                frame = replace(frame, spacing_mm=frame.spacing_mm or spacing_mm)
            except InputError as error:
                failed[target.file] = str(error)
        yield target, frame


def _predict(predictor: Predictor, reading: tuple[Target, Frame | None]) -> tuple[Target, Segmentation | None]:
    target, frame = reading
    return target, None if frame is None else predictor.predict(frame)


class _Saver:
    """Writes the pictures of a frame, and then its rows: a frame in the table has all its pictures."""

    def __init__(
        self, predictor: Predictor, out: Path, wanted: Wanted, rows: list[dict[str, str]], tell: Callable[[int], None]
    ) -> None:
        self.done, self.strange, self._looked_at = 0, 0, 0
        self._predictor, self._out, self._wanted, self._rows, self._tell = predictor, out, wanted, rows, tell

    def save(self, found: tuple[Target, Segmentation | None]) -> None:
        target, segmentation = found
        if segmentation is not None:
            table = self._out / TABLE
            if self.done == 0:  # not before: what fails from the start leaves nothing behind
                _write_table(table, self._rows)
            _save(segmentation, self._wanted.paths(target, self._out, self._predictor.classes))
            with blamed_on(table), table.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, COLUMNS).writerows(
                    measurement_rows(target, segmentation, self._predictor.identity)
                )
            self.done, self.strange = self.done + 1, self.strange + segmentation.is_strange
        self._looked_at += 1
        self._tell(self._looked_at)


def measurement_rows(target: Target, segmentation: Segmentation, model: str = "") -> list[dict[str, str]]:
    """One row of the table per class; empty fields where nothing was found or the spacing or time is unknown.

    ``model``: the `identity` of the predictor. The uncertainty is the mean inside what was predicted.
    """
    rows, seconds = [], segmentation.frame.time_s
    for label, measured in enumerate(segmentation.measurements, start=1):
        doubts = (segmentation.expected_dice(label), segmentation.uncertainty_within(label), segmentation.strangeness)
        texts = [
            *target.key,
            "" if seconds is None else f"{seconds:.3f}",
            measured.name,
            f"{segmentation.presence:.4f}",
            *measured_texts(measured),
        ]
        texts += [*("" if value is None else f"{value:.4f}" for value in doubts), model]
        rows.append(dict(zip(COLUMNS, texts, strict=True)))
    return rows


def measured_texts(measured: Measurement) -> list[str]:
    """The fields of `MEASURED` for a table; empty where nothing was found or the spacing is unknown."""
    area_mm2 = "" if measured.area_mm2 is None else f"{measured.area_mm2:.3f}"
    centroid = ("", "") if measured.centroid is None else tuple(f"{place:.1f}" for place in measured.centroid)
    box = ("",) * 4 if measured.box is None else tuple(str(side) for side in measured.box)
    return [str(measured.area_px), area_mm2, *centroid, *box]


def _save(segmentation: Segmentation, paths: dict[str, Path]) -> None:
    write_png(paths[MASK], segmentation.labels)
    if OVERLAY in paths:
        write_png(paths[OVERLAY], overlay(segmentation.frame.pixels, segmentation.labels), quickly=True)
    for label, probability in enumerate(segmentation.probabilities, start=1):
        path = paths.get(f"{PROBABILITY} {label}")
        if path is not None:
            write_png(path, _sixteen_bits(probability))
    if UNCERTAINTY in paths and segmentation.uncertainty is not None:
        write_png(paths[UNCERTAINTY], _sixteen_bits(segmentation.uncertainty))


def _sixteen_bits(share: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.asarray(np.rint(share.clip(0, 1) * 65535), np.uint16)


def _planned(targets: Sequence[Target], out: Path, wanted: Wanted, classes: Sequence[str]) -> dict[Path, Target]:
    """Every picture that will be written, with its frame; raise `InputError` where two are one or one is a frame."""
    planned: dict[Path, Target] = {}
    sources = {target.file.resolve() for target in targets}
    for target in targets:
        for path in wanted.paths(target, out, classes).values():
            if path in planned:
                raise InputError(
                    f"{planned[path].file} and {target.file} would both write {path}; predict them into two folders"
                )
            if path.resolve() in sources:
                raise InputError(f"{path}: is a frame to be segmented, and would be replaced; use another --out")
            planned[path] = target
    return planned


def _refuse_to_replace(planned: Sequence[Path]) -> None:
    there = [path for path in planned if path.exists()]
    if there:
        raise InputError(
            f"{there[0]}: is there already; use --resume to go on, --overwrite to replace, or another --out"
        )


def _refuse_to_mix(
    rows: Sequence[dict[str, str]], planned: Mapping[Path, Target], out: Path, wanted: Wanted, classes: Sequence[str]
) -> None:
    """Raise `InputError` where a picture in the table, of another file, would be replaced by one that is planned."""
    for file, frame in dict.fromkeys(map(_key, rows)):
        made = Target(Path(file), int(frame) if frame.isdecimal() else None)
        for path in wanted.paths(made, out, classes).values():
            if path in planned and planned[path].key != made.key:
                raise InputError(
                    f"{path}: is of {file}, and {planned[path].file} would replace it; name the files as before, or "
                    "predict into another --out"
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
    if any(row["model"] != predictor.identity for row in rows):
        raise InputError(f"{path}: was begun with another model, or with --flip or without; use another --out")
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row["class"])
    return [row for row in rows if found[_key(row)] == list(predictor.classes)]


def _key(row: dict[str, str]) -> tuple[str, str]:
    return row["file"], row["frame"]


def _write_table(path: Path, rows: list[dict[str, str]]) -> None:
    lines = [",".join(COLUMNS), *[",".join(_quoted(row[column]) for column in COLUMNS) for row in rows]]
    write_bytes(path, ("\r\n".join(lines) + "\r\n").encode())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text
