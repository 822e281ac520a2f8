"""Does the data feed the training: share of time waited for batches, and memory with 100,000 frames.

"waiting": `sononerve train` on 96 phantom frames, from the column of its log; the first round, in which the machine
warms up, is left out. It is a share of each round's own time, so other programs on the machine matter less to it than
to a speed; processor seconds of preparing a batch are given beside it.

"large": 100,000 frames of 128 x 128, made from 400 phantom frames by shifts and gains, so that no two files are equal.
Opening the data set, preparing its canvases, and training on them run in a process each, whose largest resident memory
is told, and which may not have more than a cap of memory of its own (RLIMIT_DATA), far below the size of the canvases.

    python benchmarks/feeding.py waiting
    python benchmarks/feeding.py large --scratch /big/disk
    python benchmarks/feeding.py                                # both
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from sononerve.data.phantom import PhantomConfig, samples, write

SUBJECTS, DRAWN = 40, 10  # phantom frames that the many are made from
ROUNDS, ROUND_STEPS = 3, 12
STEPS, BATCH = 300, 16
CAP_GB = {"open": 1.0, "prepare": 1.0, "train": 2.0}  # PyTorch takes its part


def make_many(folder: Path, count: int) -> Path:
    """A data set of ``count`` different frames of 128 x 128 with their masks; one that is there is taken."""
    if (folder / "manifest.csv").is_file():
        return folder
    drawn = list(samples(PhantomConfig(subjects=SUBJECTS, frames=DRAWN, height=128, width=128, vessels=False)))
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        sample, number = drawn[i % len(drawn)], i // len(drawn)
        assert sample.labels is not None
        shift, gain = (number % 16 - 8, number // 16 % 16 - 8), 1 - number // 256 / 40
        pixels = np.asarray(np.roll(sample.frame.pixels, shift, (0, 1)) * gain, np.uint8)
        for part, content in (("images", pixels), ("masks", np.roll(sample.labels, shift, (0, 1)))):
            encoded = cv2.imencode(".png", content, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
            (folder / part / f"{i:06}.png").write_bytes(encoded.tobytes())
        rows.append([f"images/{i:06}.png", f"masks/{i:06}.png", sample.subject])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "mask", "subject"], *rows])
    return folder


def open_it(folder: Path, _: int) -> dict[str, float]:
    """Open the data set: every record, and a look at every mask."""
    from sononerve.data.dataset import load_dataset

    return {"frames": len(load_dataset(folder))}


def prepare_it(folder: Path, size: int) -> dict[str, float]:
    """Prepare the canvases, or find them prepared."""
    from sononerve.data.canvases import open_canvases
    from sononerve.data.dataset import load_dataset
    from sononerve.data.preprocess import Preprocess

    dataset = load_dataset(folder)
    began = time.perf_counter()
    (canvases,) = open_canvases(dataset, [range(len(dataset))], Preprocess(height=size, width=size))
    return {"canvases_gb": len(canvases) * 2 * size * size / 1e9, "preparing_s": time.perf_counter() - began}


def train_it(folder: Path, size: int) -> dict[str, float]:
    """Some hundred steps of a small network in a plain loop over the training's own loader."""
    import torch

    from sononerve.data.augment import Augment
    from sononerve.data.canvases import open_canvases
    from sononerve.data.dataset import load_dataset
    from sononerve.data.module import FrameModule, PlainFrames, VariedFrames
    from sononerve.data.preprocess import Preprocess
    from sononerve.losses import DiceCrossEntropy
    from sononerve.models import build

    dataset, preprocess = load_dataset(folder), Preprocess(height=size, width=size)
    fit, tune = open_canvases(dataset, [range(64, len(dataset)), range(64)], preprocess)
    module = FrameModule(
        VariedFrames(fit, preprocess, Augment(), seed=0), PlainFrames(tune, preprocess), BATCH, STEPS, 0, seed=0
    )
    model, loss = build("unet", {"width": 8, "depth": 3}, 1), DiceCrossEntropy()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for batch in module.train_dataloader():
        optimizer.zero_grad()
        loss(model(batch.frames), batch.labels).backward()
        optimizer.step()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"steps": STEPS, "grown_by_steps_gb": grown * 1024 / 1e9}


def wait_for_it(folder: Path, size: int) -> dict[str, float]:
    """A whole training: share of waiting in each round but the first, and processor time of preparing a batch."""
    from sononerve.data.augment import Augment
    from sononerve.data.canvases import Canvases
    from sononerve.data.dataset import load_dataset
    from sononerve.data.module import VariedFrames
    from sononerve.data.preprocess import Preprocess
    from sononerve.train import plan as planning
    from sononerve.train.config import CanvasConfig, DataConfig, TrainConfig
    from sononerve.train.run import train

    planning.MOST_ROUNDS = ROUNDS
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        steps = ROUNDS * ROUND_STEPS
        config = TrainConfig(data=DataConfig(folder=folder), canvas=CanvasConfig(longest=size), steps=steps)
        train(config, out)
        rows = list(csv.DictReader((out / "log.csv").open()))[1:]
        step_s = json.loads((out / "plan.json").read_text())["step_s"]
    preprocess = Preprocess(height=size, width=size)
    dataset = load_dataset(folder)
    frames = VariedFrames(Canvases.of(dataset, preprocess), preprocess, Augment(), seed=0)
    began = time.process_time()
    for i in range(len(dataset)):
        frames[0, i]
    batch_s = (time.process_time() - began) / len(dataset) * BATCH
    waiting = {f"waiting_round_{row['round']}": float(row["waiting"]) for row in rows}
    worst = max(waiting.values())
    cores = statistics.mean(float(row["cores"]) for row in rows)
    return {**waiting, "worst": worst, "cores": cores, "step_s": step_s, "batch_processor_s": batch_s}


PARTS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "open": open_it,
    "prepare": prepare_it,
    "train": train_it,
    "waiting": wait_for_it,
}


def measure(part: str, folder: Path, size: int, home: Path) -> dict[str, float]:
    """One part in a process of its own, with its wall and processor time and its largest resident memory."""
    command = [sys.executable, __file__, "one", "--part", part, "--data", str(folder), "--size", str(size)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, env=os.environ | {"SONONERVE_HOME": str(home)}
    )
    if done.returncode:
        raise SystemExit(f"{part}: ended with status {done.returncode}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{part:8}" + "".join(f"  {name} {value:.4g}" for name, value in found.items()), flush=True)
    return found


def run_one(part: str, folder: Path, size: int) -> dict[str, float]:
    """What `measure` starts: the part under its cap of memory."""
    if part in CAP_GB:
        cap = int(CAP_GB[part] * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
    began = time.perf_counter()
    found = PARTS[part](folder, size)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"wall_s": time.perf_counter() - began, "processor_s": used.ru_utime + used.ru_stime}
    return {**found, **told, "peak_resident_gb": used.ru_maxrss * 1024 / 1e9, "cap_gb": CAP_GB.get(part, 0)}


def main() -> None:
    """Measure, print a line for each part, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="?", choices=("waiting", "large", "one"))
    parser.add_argument("--scratch", type=Path, help="folder for the 100,000 frames and canvases, kept afterwards")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=256, help="of the canvas")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "feeding.json")
    parser.add_argument("--part", choices=sorted(PARTS))
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    if given.which == "one":
        print(json.dumps(run_one(given.part, given.data, given.size)))
        return
    results: dict[str, object] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "size": given.size}
    with tempfile.TemporaryDirectory() as own:
        scratch = given.scratch or Path(own)
        home = scratch / "home"
        if given.which in (None, "waiting"):
            data = write(PhantomConfig(subjects=12, frames=8, height=256, width=256), Path(own) / "phantom")
            results["waiting"] = measure("waiting", data, given.size, home)
        if given.which in (None, "large"):
            data = make_many(scratch / f"frames-{given.frames}", given.frames)
            for part in ("open", "prepare", "train"):
                results[part] = measure(part, data, given.size, home)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
