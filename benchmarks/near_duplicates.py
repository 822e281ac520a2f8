"""How surely near-duplicates are found, and how long an audit of 5,600 frames takes.

Recall and precision: every real frame is exported again, cut by up to a fifth of each side, scaled by 0.7 to 1.4 and
with another gain; a pair is right if it is a frame and its own export, or one of the twins that the set itself holds
and that were seen by eye. Time: frames of 580 x 420, neighbours of neighbours as in a video, on a scratch folder.

    python benchmarks/near_duplicates.py --data ../shared/data/usgra-seg
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sononerve import load_dataset
from sononerve.data.audit import audit
from sononerve.data.duplicates import ALIKE, clusters, pairs_of, plane_of
from sononerve.data.phantom import PhantomConfig, frame

RESULTS = Path(__file__).parent / "results" / "near_duplicates.json"
SIZE = (580, 420)
SEEDS = (1, 2, 3, 4, 5)


def exported(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The frame once more: cut, scaled, gained, with another gamma and offset."""
    height, width = pixels.shape
    (cut_y, cut_x), (above, left) = rng.uniform(0, 0.2, 2), rng.uniform(0, 1, 2)
    rows = slice(int(cut_y * above * height), height - int(cut_y * (1 - above) * height))
    columns = slice(int(cut_x * left * width), width - int(cut_x * (1 - left) * width))
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(pixels[rows, columns], None, fx=scale, fy=scale, interpolation=way)
    gained = 255 * (scaled / 255.0) ** rng.uniform(0.8, 1.25) * rng.uniform(0.7, 1.4) + rng.uniform(-20, 20)
    return np.asarray(gained.clip(0, 255), np.uint8)


def accuracy(folder: Path, seed: int) -> dict[str, float]:
    """Recall of exports, by pair; precision of all pairs, where twins of the set itself count as right."""
    dataset = load_dataset(folder)
    frames = [dataset[i].frame.pixels for i in range(len(dataset))]
    rng, count = np.random.default_rng(seed), len(frames)
    planes = [plane_of(pixels) for pixels in frames]
    own = clusters(pairs_of(planes, [None] * count), count, ALIKE)
    pairs = pairs_of([*planes, *(plane_of(exported(pixels, rng)) for pixels in frames)], [None] * 2 * count)
    found = [pair for pair in pairs if pair.likeness >= ALIKE]
    right = [own[pair.first % count] == own[pair.second % count] for pair in found]
    recalled = sum(pair.second - pair.first == count for pair in found)
    return {"seed": seed, "recall": recalled / count, "precision": float(np.mean(right)), "pairs": len(found)}


def neighbours(folder: Path, frames: int, subjects: int) -> None:
    """Frames that drift: each subject's phantom, shifted, scaled and grained anew from frame to frame."""
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    config = PhantomConfig(subjects=subjects, frames=1, height=SIZE[1], width=SIZE[0])
    for subject in range(subjects):
        sample, rng = frame(config, subject, 0), np.random.default_rng(subject)
        assert sample.labels is not None
        drift = np.zeros(3)
        for i in range(frames // subjects):
            drift += rng.normal(0, (4, 4, 0.01))
            scale = float(np.exp(0.3 * np.tanh(drift[2])))
            move = np.array([[scale, 0, drift[0]], [0, scale, drift[1]]])
            moved = cv2.warpAffine(sample.frame.pixels, move, SIZE, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
            grained = (moved * rng.normal(1, 0.1, moved.shape)).clip(0, 255).astype(np.uint8)
            mask = cv2.warpAffine(sample.labels, move, SIZE, flags=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / f"images/{subject:03}_{i:04}.png"), grained, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            cv2.imwrite(str(folder / f"masks/{subject:03}_{i:04}.png"), mask)


def duration(frames: int, subjects: int) -> dict[str, float]:
    """Seconds of wall and of processor time, and megabytes at most, of opening and auditing so many frames."""
    with tempfile.TemporaryDirectory() as scratch:
        neighbours(Path(scratch), frames, subjects)
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        dataset = load_dataset(scratch)
        found = audit(dataset)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "frames": len(dataset),
        "wall_s": round(wall, 1),
        "processor_s": round(processor, 1),
        "cores": round(processor / wall, 2),
        "peak_mb": round(after.ru_maxrss / 1024),
        "before_mb": round(before.ru_maxrss / 1024),
        "clusters": len(found.duplicates),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="data sets of real frames")
    parser.add_argument("--frames", type=int, default=5600)
    parser.add_argument("--subjects", type=int, default=47)
    told = parser.parse_args()
    results: dict[str, object] = {"machine": f"{os.uname().machine}, {os.cpu_count()} cores"}
    for folder in told.data:
        results[folder.name] = found = [accuracy(folder, seed) for seed in SEEDS]
        for row in found:
            print(f"{folder.name:16} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    results["audit"] = time_told = duration(told.frames, told.subjects)
    print("audit            " + "  ".join(f"{key} {value}" for key, value in time_told.items()))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
