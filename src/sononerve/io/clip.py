"""Write a video, frame by frame: MPEG-4 in an MP4, with some loss, or FFV1 in an AVI, without any."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

LOSSY, LOSSLESS = ".mp4", ".avi"
FINEST_FPS = 65.0  # above, MPEG-4 has no room for thousandths of a frame a second
CODECS = {LOSSY: "mp4v", LOSSLESS: "FFV1"}


class Clip:
    """Writes frames of one size to ``path`` at ``fps`` frames a second; close it, or use it as a context.

    ``.mp4`` loses a little, ``.avi`` nothing. Both codecs need even sides: a frame of an odd one gets its last row or
    column twice. Raises `InputError` where this machine's OpenCV cannot write it.
    """

    def __init__(self, path: Path, shape: tuple[int, int], fps: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._odd = shape[0] % 2, shape[1] % 2
        height, width = shape[0] + self._odd[0], shape[1] + self._odd[1]
        fps = round(fps, 1) if fps > FINEST_FPS else fps
        code = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height), True)
        self._last: NDArray[np.uint8] | None = None
        if not self._writer.isOpened():
            raise InputError(
                f"{path.name}: OpenCV writes no {width} x {height} video of {fps:g} frames a second; leave videos out, "
                "or install an OpenCV with FFmpeg"
            )

    def add(self, pixels: NDArray[np.uint8], missing: int = 0) -> None:
        """Append a frame, gray ``(H, W)`` or RGB ``(H, W, 3)``; before it the last one again for each ``missing``."""
        if self._last is not None:
            for _ in range(missing):
                self._writer.write(self._last)
        way = cv2.COLOR_GRAY2BGR if pixels.ndim == 2 else cv2.COLOR_RGB2BGR
        drawn = np.asarray(cv2.cvtColor(pixels, way), np.uint8)
        if any(self._odd):
            wider = cv2.copyMakeBorder(drawn, 0, self._odd[0], 0, self._odd[1], cv2.BORDER_REPLICATE)
            drawn = np.asarray(wider, np.uint8)
        self._writer.write(drawn)
        self._last = drawn

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
