"""How surely `find_overlays` finds text, callipers and Doppler, and how often it finds them where there are none.

Recall: overlays drawn on real frames by `overlay_drawing.py`. False alarms: the real frames as they are. Frames with an
even number in their folder are for choosing the method (--half tune), the others for reporting. Speed: frames of
580 x 420 on one core.

    python benchmarks/overlay_detection.py --data ../shared/data
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import overlay_drawing
from numpy.typing import NDArray

from sononerve.data.audit.overlay import Overlays, find_overlays
from sononerve.io.images import is_image, read_stored

Box = tuple[float, float, float, float]
KINDS = {"text": overlay_drawing.text, "callipers": overlay_drawing.callipers, "doppler": overlay_drawing.doppler}
COVERED = 0.5  # of a drawn line of text or patch of flow, from which it is found
NEAR = 4  # pixels between the middles of a drawn and a found mark


@dataclass(frozen=True)
class Trial:
    """One drawn overlay, a mark each for callipers: what it is, and whether it was found."""

    kind: str
    found: bool
    conditions: dict[str, str]


def found_in(frame: NDArray[np.uint8]) -> dict[str, tuple[Box, ...]]:
    """The boxes of each kind."""
    overlays: Overlays = find_overlays(frame)
    flow = () if overlays.doppler is None else (overlays.doppler,)
    return {"text": overlays.text, "callipers": overlays.callipers, "doppler": flow}


def in_colour(file: Path) -> NDArray[np.uint8]:
    """A frame as RGB ``(H, W, 3)``, so that colours can be drawn on it."""
    pixels = read_stored(file)
    return np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels


def draw_and_find(files: dict[str, list[Path]], kind: str, seed: int) -> tuple[list[Trial], list[str]]:
    """Draw one picture's overlays, every data set as often; tell what was found, and what else was found."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    source = str(rng.choice(list(files)))
    frame = in_colour(files[source][int(rng.integers(len(files[source])))])
    drawn = KINDS[kind](frame, rng)
    found = found_in(drawn.pixels)
    hit = _near if kind == "callipers" else _covered
    trials = [Trial(kind, hit(box, found[kind]), {**drawn.conditions, "data": source}) for box in drawn.boxes]
    return trials, [f"{other} where {kind} was drawn" for other in KINDS if other != kind and found[other]]


def _covered(box: Box, found: tuple[Box, ...]) -> bool:
    x, y, width, height = (round(value) for value in box)
    seen = np.zeros((max(height, 1), max(width, 1)), np.bool_)
    for left, top, wide, high in found:
        seen[
            round(max(top - y, 0)) : round(max(top + high - y, 0)),
            round(max(left - x, 0)) : round(max(left + wide - x, 0)),
        ] = True
    return bool(seen.mean() >= COVERED)


def _near(box: Box, found: tuple[Box, ...]) -> bool:
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return any(max(abs(a + c / 2 - x), abs(b + d / 2 - y)) < NEAR for a, b, c, d in found)


def alarms(file: Path) -> dict[str, tuple[Box, ...]]:
    """What is found in a frame as it is."""
    return found_in(read_stored(file))


def milliseconds(files: list[Path]) -> float:
    """Median processor time of a frame of 580 x 420, on one core."""
    cv2.setNumThreads(1)
    seconds = []
    for file in files:
        frame = np.asarray(cv2.resize(in_colour(file), (580, 420)), np.uint8)
        began = time.process_time()
        find_overlays(frame)
        seconds.append(time.process_time() - began)
    return 1000 * statistics.median(seconds)


def recall_by(trials: list[Trial]) -> dict[str, dict[str, tuple[int, float]]]:
    """Of each kind, and of each condition of it: how many were drawn, and the share found."""
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        groups[trial.kind]["all"].append(trial.found)
        if trial.conditions.get("height") not in (None, "under 9 px"):
            groups[trial.kind]["9 px and more"].append(trial.found)
        for condition, value in trial.conditions.items():
            groups[trial.kind][f"{condition}: {value}"].append(trial.found)
    return {
        kind: {name: (len(hits), round(float(np.mean(hits)), 4)) for name, hits in sorted(by.items())}
        for kind, by in groups.items()
    }


def main() -> None:
    """Measure, print the table, write the JSON; skip where there are no real frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--half", choices=("tune", "report"), default="report")
    parser.add_argument("--drawn", type=int, default=1500, help="pictures of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "overlay_detection.json")
    given = parser.parse_args()
    odd = given.half == "report"
    files = {
        name: sorted(filter(is_image, (given.data / name / "images").glob("*")))[odd::2]
        for name in ("usgra-seg", "brachial-plexus")
    }
    files = {name: found for name, found in files.items() if found}
    if not files:
        print(f"skipped: no real frames in {given.data}")
        return
    every = [file for found in files.values() for file in found]
    speed = milliseconds(every[:: max(1, len(every) // 100)])
    first = 0 if given.half == "tune" else 1_000_000
    trials: list[Trial] = []
    others: dict[str, int] = defaultdict(int)
    with ProcessPoolExecutor(given.workers) as pool:
        seen = list(pool.map(alarms, every, chunksize=8))
        for kind in KINDS:
            work = partial(draw_and_find, files, kind)
            for told, beside in pool.map(work, range(first, first + given.drawn), chunksize=8):
                trials += told
                for what in beside:
                    others[what] += 1
    record: dict[str, object] = {
        "command": " ".join(["python", "benchmarks/overlay_detection.py", *sys.argv[1:]]),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "half": given.half,
        "frames": {name: len(found) for name, found in files.items()},
        "ms_per_frame_580x420": round(speed, 2),
        "alarms": {
            kind: {
                "frames": sum(bool(boxes[kind]) for boxes in seen),
                "share": round(sum(bool(boxes[kind]) for boxes in seen) / len(seen), 4),
                "which": [
                    f"{file.parts[-3]}/{file.name} {box}"
                    for file, boxes in zip(every, seen, strict=True)
                    for box in boxes[kind]
                ],
            }
            for kind in KINDS
        },
        "recall": recall_by(trials),
        "beside": {what: round(count / given.drawn, 4) for what, count in sorted(others.items())},
    }
    _print(record, recall_by(trials))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(record, indent=1) + "\n")


def _print(record: dict[str, object], recall: dict[str, dict[str, tuple[int, float]]]) -> None:
    for kind, by in recall.items():
        print(kind)
        for name, (number, share) in by.items():
            print(f"  {name:32}{number:7d}{share:9.3f}")
    for name in ("alarms", "beside", "ms_per_frame_580x420"):
        print(name, json.dumps(record[name], indent=1))


if __name__ == "__main__":
    main()
