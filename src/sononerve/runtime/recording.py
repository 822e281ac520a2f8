"""What is kept of a stream: a table, a drawn video, and masks, written as it runs, in constant memory."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO

import numpy as np

from ..errors import InputError
from ..io.atomic import check_place, put_folder, write_text
from ..io.clip import LOSSLESS, LOSSY, Clip
from .drawing import draw
from .files import MEASURED, measured_texts
from .flicker import Flicker
from .overlap import Behind
from .stream import Moment

TABLE, DRAWN, MASKS, SUMMARY = "frames.csv", f"overlay{LOSSY}", "masks", "summary.json"
COLUMNS = ("frame", "time_s", "presence", "class", "track", *MEASURED)
MOST_BEHIND = 8  # moments that are not written yet

MaskFormat = Literal["video", "npz"]
Fields = dict[str, str]


@dataclass(frozen=True)
class Kept:
    """What is written beside the table: the drawn video, and masks as videos, as arrays, or not."""

    drawn: bool = True
    masks: MaskFormat | None = None


@dataclass(frozen=True)
class Summary:
    """What a recording was like.

    ``frames``: that were segmented; ``dropped``: that were not, for they came too fast. ``seconds``: how long it took,
    ``fps``: frames segmented in a second of it. ``flicker`` and ``switches``: see `Flicker`. ``tracks``: how many
    regions had a number of their own. ``fault``: why it ended before its source did, None where it did not.
    ``interrupted``: whether a person ended it.
    """

    source: str
    model: str
    frames: int
    dropped: int
    seconds: float
    fps: float
    flicker: float | None
    switches: int
    tracks: int
    strange: int
    fault: str | None = None
    interrupted: bool = False


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise `InputError` where no recording could be put; only a recording is replaced, if at all."""
    check_place(folder)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        raise InputError(f"{folder}: is there already; use --overwrite to replace it, or another --out")
    if folder.is_symlink() or not (folder / SUMMARY).is_file():
        raise InputError(f"{folder}: is not a recording and is not replaced; use another --out")


def record(
    moments: Iterator[Moment],
    folder: Path,
    source: str,
    model: str,
    fps: float,
    kept: Kept,
    live: bool = False,
    progress: Callable[[Moment], None] | None = None,
) -> Summary:
    """Write the moments of a stream to ``folder`` while the next ones are being found, and replace a recording there.

    Ctrl-C ends a recording, and what there is of it is whole. So it is where the stream cannot be read further; the
    summary says why. ``fps``: of the videos. ``live``: in them the frame before stands for those that did not come in
    time, so that they keep it. Raises `InputError` where no frame comes, and where ``folder`` holds anything else.
    """
    began = time.monotonic()
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    fault, interrupted = None, False
    try:
        with _Writer(building, fps, kept, live) as writer, Behind(writer.add, MOST_BEHIND) as behind:
            try:
                for moment in moments:
                    behind.put(moment)
                    if progress is not None:
                        progress(moment)
            except InputError as error:
                fault = str(error)
            except KeyboardInterrupt:
                interrupted = True
        if writer.frames == 0:
            raise InputError(fault or f"{source}: no frame came; expected at least one")
        summary = replace(writer.summary(source, model, time.monotonic() - began), fault=fault, interrupted=interrupted)
        write_text(building / SUMMARY, json.dumps(asdict(summary), indent=1) + "\n")
        building.chmod(0o755)
        check_free(folder, overwrite=True)
        put_folder(building, folder.absolute())
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return summary


class _Writer:
    def __init__(self, folder: Path, fps: float, kept: Kept, live: bool) -> None:
        self.frames, self.dropped = 0, 0
        self._folder, self._fps, self._kept, self._live = folder, fps, kept, live
        self._flicker, self._tracks, self._strange = Flicker(), 0, 0
        self._table: TextIO = (folder / TABLE).open("w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._table, COLUMNS)
        self._rows.writeheader()
        self._drawn: Clip | None = None
        self._masks: list[Clip] = []
        self._arrays: zipfile.ZipFile | None = None
        self._next = 0

    def add(self, moment: Moment) -> None:
        labels = moment.segmentation.labels
        if self.frames == 0:
            self._open(labels.shape, moment.segmentation.classes)
        place = round(moment.time_s * self._fps)
        missing = max(0, place - self._next) if self._live and self.frames else 0
        self._rows.writerows(rows_of(moment))
        if self._drawn is not None:
            self._drawn.add(draw(moment), missing)
        for label, clip in enumerate(self._masks, start=1):
            clip.add(np.where(labels == label, np.uint8(255), np.uint8(0)), missing)
        if self._arrays is not None:
            self._arrays.writestr(f"{moment.index:06}.npy", _npy(labels))
        self._strange += moment.segmentation.is_strange
        self._flicker.add(labels, moment.segmentation.presence)
        self._tracks = max(self._tracks, *(region.track for region in moment.regions), 0)
        self.frames, self.dropped, self._next = self.frames + 1, moment.dropped, max(place, self._next) + 1

    def _open(self, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
        height, width = shape
        if self._kept.drawn:
            self._drawn = Clip(self._folder / DRAWN, (height, width), self._fps)
        if self._kept.masks == "video":
            self._masks = [
                Clip(self._folder / f"{MASKS}-{label}{LOSSLESS}", (height, width), self._fps)
                for label in range(1, len(classes) + 1)
            ]
        if self._kept.masks == "npz":
            self._arrays = zipfile.ZipFile(self._folder / f"{MASKS}.npz", "w", zipfile.ZIP_DEFLATED)

    def summary(self, source: str, model: str, seconds: float) -> Summary:
        return Summary(
            source=source,
            model=model,
            frames=self.frames,
            dropped=self.dropped,
            seconds=round(seconds, 3),
            fps=round(self.frames / max(seconds, 1e-9), 2),
            flicker=self._flicker.mask,
            switches=self._flicker.switches,
            tracks=self._tracks,
            strange=self._strange,
        )

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._table.close()
        for clip in (self._drawn, *self._masks):
            if clip is not None:
                clip.close()
        if self._arrays is not None:
            self._arrays.close()


def rows_of(moment: Moment) -> list[Fields]:
    """A row for each region of a frame; one without a class for a frame that has none."""
    first = [str(moment.index), f"{moment.time_s:.3f}", f"{moment.segmentation.presence:.4f}"]
    found = [
        [*first, region.measured.name, str(region.track), *measured_texts(region.measured)] for region in moment.regions
    ]
    return [dict(zip(COLUMNS, texts, strict=False)) for texts in found or [first]]


def _npy(labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, labels, allow_pickle=False)
    return content.getvalue()
