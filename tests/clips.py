"""Small videos whose frames carry their number, as black and white blocks that survive compression."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

BITS, BLOCK = 10, 16
CODECS = {"a.mp4": "mp4v", "a.mov": "mp4v", "a.avi": "XVID", "b.avi": "MJPG", "c.avi": "FFV1"}
"""Names whose endings say the container; all but the last two have frames that need earlier ones."""


def numbered(number: int) -> np.ndarray:
    """A gray frame ``(32, 160)``: bit i of ``number`` is the block i of the upper row, the lower row its opposite."""
    bits = np.array([number >> i & 1 for i in range(BITS)])
    blocks = np.stack([bits, 1 - bits]) * 220 + 15
    return np.kron(blocks, np.ones((BLOCK, BLOCK))).astype(np.uint8)


def number_in(pixels: np.ndarray) -> int:
    """The number that a frame carries."""
    return sum(1 << i for i in range(BITS) if pixels[BLOCK // 2, BLOCK * i + BLOCK // 2] > 128)


def write_clip(path: Path, frames: list[np.ndarray], codec: str | None = None, fps: float = 25) -> Path:
    """A video of gray frames ``(H, W)`` or of RGB ones ``(H, W, 3)``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    fourcc = cv2.VideoWriter.fourcc(*(codec or CODECS[f"a{path.suffix}"]))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.repeat(frame[..., None], 3, -1) if frame.ndim == 2 else np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def write_numbered(path: Path, count: int, codec: str | None = None, fps: float = 25) -> Path:
    """A video whose frames carry 0, 1, ..."""
    return write_clip(path, [numbered(number) for number in range(count)], codec, fps)
