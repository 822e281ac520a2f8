"""The phantom on disk: images, masks, a manifest, class names, and clips of what has times."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError
from ...frame import Sample
from .clip import Clip
from .config import PhantomConfig
from .pool import samples

COLUMNS = ("image", "mask", "subject", "video", "frame", "boxes_xywh", "spacing")
WORTH_PIXELS = 20_000_000  # below, starting a process takes longer than drawing


def write(
    config: PhantomConfig, folder: Path, progress: Callable[[int, int], None] | None = None, processes: int | None = 1
) -> Path:
    """Draw all frames and write them to ``folder``, all or nothing; calls ``progress(done, total)``.

    With `PhantomConfig.video` there is ``videos/NAME.mp4`` of each video too. ``processes``: see `samples`; None is
    one a core, or one alone where there is little to draw. The files do not depend on it.
    """
    if processes is None:
        much = config.total * config.height * config.width > WORTH_PIXELS
        processes = os.cpu_count() or 1 if much else 1
    classes = ("nerve", "vessel") if config.vessels else ("nerve",)
    fps = config.probe.fps if config.video else None
    return write_samples(samples(config, processes), folder, classes, config.total, progress, fps)


def write_samples(
    drawn: Iterable[Sample],
    folder: Path,
    classes: tuple[str, ...],
    total: int,
    progress: Callable[[int, int], None] | None = None,
    fps: float | None = None,
) -> Path:
    """Write samples that have subject, video, index and labels as a manifest folder, all or nothing.

    ``total``: how many there will be, for ``progress(done, total)``. ``fps``: write a clip of each video too; then the
    samples of a video follow each other. Raises `FileExistsError` where ``folder`` is anything but new or empty,
    `InputError` where a sample has no mask.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder; name a new folder or remove this one first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # built beside the folder: a rename is whole only within one file system
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        built = Path(scratch) / "phantom"
        built.mkdir()
        with ExitStack() as stack:
            manifest = csv.writer(stack.enter_context((built / "manifest.csv").open("w", newline="", encoding="utf-8")))
            manifest.writerow(COLUMNS)
            clips = _Clips(built / "videos", fps)
            stack.callback(clips.close)
            for done, sample in enumerate(drawn, 1):
                manifest.writerow(_save(sample, built))
                clips.add(sample)
                if progress is not None:
                    progress(done, total)
        (built / "classes.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        built.rename(folder)
    return folder


class _Clips:
    """The clip of the video that samples are of, one after the other; none without ``fps``."""

    def __init__(self, folder: Path, fps: float | None) -> None:
        self.folder, self.fps = folder, fps
        self.subject: str | None = None
        self.video: str | None = None
        self.number = 0
        self.clip: Clip | None = None

    def add(self, sample: Sample) -> None:
        if self.fps is None:
            return
        if (sample.subject, sample.video) != (self.subject, self.video):
            self.close()
            self.number = self.number + 1 if sample.subject == self.subject else 1
            self.subject, self.video = sample.subject, sample.video
            path = self.folder / f"{sample.subject}_{self.number}.mp4"
            self.clip = Clip(path, sample.frame.shape, self.fps)
        if self.clip is not None:
            self.clip.add(sample.frame)

    def close(self) -> None:
        if self.clip is not None:
            self.clip.close()


def _save(sample: Sample, folder: Path) -> list[str]:
    """Write one image and its mask, and return their row of the manifest."""
    name, spacing = f"{sample.video}_{sample.index}.png", sample.frame.spacing_mm
    if sample.labels is None or Path(name).name != name:
        raise InputError(f"{sample.frame.source or name}: expected a mask, and a video's name without a folder")
    for part, pixels in (("images", sample.frame.pixels), ("masks", sample.labels)):
        (folder / part).mkdir(exist_ok=True)
        encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]  # speckle hardly shrinks
        (folder / part / name).write_bytes(encoded.tobytes())
    boxes = [] if sample.boxes is None else np.rint(sample.boxes).astype(int).tolist()
    place = [f"images/{name}", f"masks/{name}", str(sample.subject), str(sample.video), str(sample.index)]
    return [*place, json.dumps(boxes), "" if spacing is None else f"{spacing[0]:.6f},{spacing[1]:.6f}"]
