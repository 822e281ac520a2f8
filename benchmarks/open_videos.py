"""How long a folder of many videos with boxes takes to open, and what a frame out of the middle costs then.

Run: python benchmarks/open_videos.py [--clips 1000] [--frames 30] [--out benchmarks/results/open_videos.json]

Clips of 640 x 480, MPEG-4 in MP4, of a moving pattern; ten are written, the others are copies of them. Every third
frame has two boxes. The folder is in the system's cache when it is opened, for it has just been written.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import shutil
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from sononerve.data.dataset import load_dataset

DIFFERENT = 10
HEIGHT, WIDTH = 480, 640
BOXES = '"[[100, 100, 120, 90], [150, 120, 80, 80]]"'


def write_folder(folder: Path, clips: int, frames: int) -> None:
    """``videos/`` and ``video_boxes.csv``."""
    (folder / "videos").mkdir()
    rows = ["video,subject,frame,boxes_xywh"]
    for number in range(clips):
        path = folder / "videos" / f"{number:04}.mp4"
        if number < DIFFERENT:
            write_clip(path, frames, phase=number)
        else:
            shutil.copy(folder / "videos" / f"{number % DIFFERENT:04}.mp4", path)
        rows += [f"{number:04},{number // 4},{frame},{BOXES}" for frame in range(0, frames, 3)]
    (folder / "video_boxes.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_clip(path: Path, frames: int, phase: int) -> None:
    """A pattern that moves."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (WIDTH, HEIGHT))
    for frame in range(frames):
        gray = 120 + 60 * np.sin(columns / (20 + phase) + frame / 3) + 60 * np.cos(rows / 15)
        writer.write(np.repeat(gray.astype(np.uint8)[..., None], 3, -1))
    writer.release()


def measure(clips: int, frames: int) -> dict[str, object]:
    """Seconds to open, milliseconds for one frame in the middle, and the most memory used."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder, clips, frames)
        started = time.perf_counter()
        dataset = load_dataset(folder)
        opened = time.perf_counter()
        sample = dataset[len(dataset) // 2]
        read = time.perf_counter()
    if sample.labels is None or not sample.labels.any():
        raise RuntimeError("no mask; expected the boxes")
    return {
        "clips": clips,
        "frames_per_clip": frames,
        "labelled_frames": len(dataset),
        "open_s": round(opened - started, 2),
        "one_frame_ms": round(1000 * (read - opened), 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": platform.machine(),
        "opencv": cv2.__version__,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "open_videos.json")
    given = parser.parse_args()
    found = measure(given.clips, given.frames)
    for name, value in found.items():
        print(f"{name:16} {value}")
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
