"""A video as a file: MPEG-4 in an MP4, gray, with some loss; the frames beside it have none."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2

from ...errors import InputError
from ...frame import Frame


class Clip:
    """Writes frames of one size to ``path`` at ``fps`` frames a second; close it, or use it as a context."""

    def __init__(self, path: Path, shape: tuple[int, int], fps: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = shape
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height), True)
        if not self._writer.isOpened():
            raise InputError(f"{path}: this OpenCV writes no MP4; expected a build with FFmpeg")

    def add(self, frame: Frame) -> None:
        """Append a frame."""
        self._writer.write(cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR))

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
