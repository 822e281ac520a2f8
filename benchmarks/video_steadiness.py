"""What temporal smoothing gives and takes: flicker of masks and presence, Dice where the truth is known.

sononerve phantom --out drawn --subjects 200 --frames 3 --size 320 --seed 21
sononerve train drawn --out phantom-run --budget 4m --size 160
python benchmarks/video_steadiness.py --phantom-model phantom-run --model RUN --data brachial-plexus

Phantom clips are of subjects that the model has not seen, and every frame of them has its truth. Of the real clips most
frames have none: flicker counts them all, Dice only those on which a person drew boxes.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sononerve.data import phantom
from sononerve.frame import Frame
from sononerve.io import video
from sononerve.runtime.flicker import Flicker
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.smoothing import Smoother, Smoothing

SECONDS = (0.05, 0.1, 0.15, 0.25, 0.5)
EVERY = (Smoothing(0), *(Smoothing(s, motion) for motion in (False, True) for s in SECONDS))
SUBJECTS, FRAMES, SEED = 12, 75, 77
RESULT = Path(__file__).parent / "results" / "video_steadiness.json"

Truth = NDArray[np.uint8]
Clip = Iterator[tuple[Frame, Truth | None]]


@dataclass
class Found:
    """Of one clip under one smoothing: mean Dice of class 1 on frames that hold it, flicker, switches of presence."""

    clip: str
    smoothing: Smoothing
    dice: float | None
    flicker: float | None
    switches: int


def main() -> None:
    """Smooth every clip in all ways at once, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantom-model", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, help="A folder with videos/ and video_boxes.csv.")
    told = parser.parse_args()
    drawn = Predictor.load(told.phantom_model)
    results = {"phantom": [found for name, clip in phantom_clips() for found in measure(drawn, name, clip)]}
    truth = [flicker for name, clip in phantom_clips() if (flicker := _of_truth(clip)) is not None]
    show("phantom", results["phantom"], f"the truth itself: flicker {np.mean(truth):.3f}")
    if told.model is not None:
        real = Predictor.load(told.model)
        clips = ((path.stem, boxed_clip(path, told.data)) for path in sorted((told.data / "videos").iterdir()))
        results["real"] = [found for name, clip in clips for found in measure(real, name, clip)]
        show("real", results["real"], "Dice against boxes")
    RESULT.write_text(
        json.dumps(
            {"truth_flicker": float(np.mean(truth))}
            | {name: [asdict(one) for one in found] for name, found in results.items()},
            indent=1,
        )
        + "\n"
    )


def phantom_clips() -> Iterator[tuple[str, Clip]]:
    """Clips of drawn subjects, with the truth of every frame."""
    config = phantom.PhantomConfig(
        subjects=SUBJECTS, frames=FRAMES, height=320, width=320, video=True, seed=SEED, empty=0.2
    )
    clips: dict[str, list[tuple[Frame, Truth | None]]] = {}
    for sample in phantom.samples(config, processes=2):
        clips.setdefault(str(sample.video), []).append((sample.frame, sample.labels))
    yield from ((name, iter(clip)) for name, clip in clips.items())


def boxed_clip(path: Path, data: Path) -> Clip:
    """The frames of a clip; with the boxes, filled, where a person drew them."""
    with (data / "video_boxes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["video"] == path.stem and row["annotator"] == "human"]
    boxes = {int(row["frame"]): json.loads(row["boxes_xywh"]) for row in rows}
    for number, frame in enumerate(video.read_all(path)):
        truth = None
        if number in boxes:
            truth = np.zeros(frame.shape, np.uint8)
            for x, y, width, height in boxes[number]:
                truth[y : y + height, x : x + width] = 1
        yield frame, truth


def measure(predictor: Predictor, name: str, clip: Clip) -> list[Found]:
    """One look at each frame, smoothed in every way."""
    smoothers = {way: Smoother(way, 0.04) for way in EVERY}
    flickers = {way: Flicker() for way in EVERY}
    scores: dict[Smoothing, list[float]] = {way: [] for way in EVERY}
    for frame, truth in clip:
        answer = predictor.look([frame])
        for way in EVERY:
            found = predictor.decide(frame, smoothers[way](frame, answer))
            flickers[way].add(found.labels, found.presence)
            if truth is not None and (truth == 1).any():
                scores[way].append(dice(truth == 1, found.labels == 1))
    return [
        Found(
            name, way, float(np.mean(scores[way])) if scores[way] else None, flickers[way].mask, flickers[way].switches
        )
        for way in EVERY
    ]


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice of two masks of which the first is not empty."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def _of_truth(clip: Iterable[tuple[Frame, Truth | None]]) -> float | None:
    flicker = Flicker()
    for _, truth in clip:
        assert truth is not None
        flicker.add(truth, 1.0)
    return flicker.mask


def show(title: str, found: list[Found], note: str) -> None:
    """A line for each smoothing: means over clips."""
    print(f"{title}, {len({one.clip for one in found})} clips; {note}")
    for way in EVERY:
        its = [one for one in found if one.smoothing == way]
        means = [
            np.mean([v for v in values if v is not None])
            for values in zip(*((o.dice, o.flicker) for o in its), strict=True)
        ]
        name = "raw" if way.seconds == 0 else f"{way.seconds:4} s, {'with' if way.motion else 'without'} motion"
        print(
            f"  {name:24} Dice {means[0]:.3f}  flicker {means[1]:.3f}  switches {sum(o.switches for o in its)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
