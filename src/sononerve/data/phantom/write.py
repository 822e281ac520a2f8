"""The phantom on disk: a data set in any layout, and clips of what has times."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from ...errors import InputError
from ...frame import Sample
from ...io.atomic import check_new_folder
from ...io.clip import Clip
from ..layouts import LAYOUTS
from .config import PhantomConfig
from .pool import samples

CLIPS = "clips"
WORTH_PIXELS = 20_000_000  # below, starting a process takes longer than drawing


def write(
    config: PhantomConfig,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = 1,
    layout: str = "manifest",
) -> Path:
    """Draw all frames and write them to the new ``folder``, all or nothing; calls ``progress(done, total)``.

    With `PhantomConfig.video` there is ``clips/NAME.mp4`` of each video too. ``processes``: see `samples`; None is one
    a core, or one alone where there is little to draw. The files do not depend on it. ``layout``: a layout that can be
    written. Raises `InputError` where the folder is there and not empty, or the layout cannot be written.
    """
    if layout not in LAYOUTS or LAYOUTS[layout].writer is None:
        known = ", ".join(name for name, known in LAYOUTS.items() if known.writer is not None)
        raise InputError(f"--layout {layout}: cannot be written; expected one of {known}")
    check_new_folder(folder)
    if processes is None:
        much = config.total * config.height * config.width > WORTH_PIXELS
        processes = os.cpu_count() or 1 if much else 1
    classes = ("nerve", "vessel") if config.vessels else ("nerve",)
    drawn: Iterable[Sample] = _counted(samples(config, processes), config.total, progress)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.absolute().parent) as scratch:
        clips = Path(scratch) / CLIPS
        if config.video:
            drawn = _filmed(drawn, clips, config.probe.fps)
        LAYOUTS[layout].write(((f"images/{s.video}_{s.index}.png", s) for s in drawn), classes, folder)
        if config.video:
            clips.rename(folder / CLIPS)
    return folder


def _counted(drawn: Iterable[Sample], total: int, progress: Callable[[int, int], None] | None) -> Iterator[Sample]:
    for done, sample in enumerate(drawn, 1):
        yield sample
        if progress is not None:
            progress(done, total)


def _filmed(drawn: Iterable[Sample], folder: Path, fps: float) -> Iterator[Sample]:
    """The same samples, while a clip of each video is made; the frames of a video follow each other."""
    with closing(_Clips(folder, fps)) as clips:
        for sample in drawn:
            clips.add(sample)
            yield sample


class _Clips:
    """The clip of the video that samples are of, one after the other."""

    def __init__(self, folder: Path, fps: float) -> None:
        self.folder, self.fps = folder, fps
        self.video: tuple[str | None, str | None] | None = None
        self.number = 0
        self.clip: Clip | None = None

    def add(self, sample: Sample) -> None:
        """Add a frame to its video's clip."""
        if (sample.subject, sample.video) != self.video:
            self.close()
            same_subject = self.video is not None and self.video[0] == sample.subject
            self.number = self.number + 1 if same_subject else 1
            self.video = (sample.subject, sample.video)
            self.clip = Clip(self.folder / f"{sample.subject}_{self.number}.mp4", sample.frame.shape, self.fps)
        assert self.clip is not None
        self.clip.add(sample.frame.pixels)

    def close(self) -> None:
        """End the clip that is being made."""
        if self.clip is not None:
            self.clip.close()
            self.clip = None
