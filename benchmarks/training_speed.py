"""Frames a second of training: `sononerve train` against the same network in a plain loop with PyTorch's defaults.

Both see the same phantom frames with the same augmentation, loss, optimiser and batch. The plain loop is fp32, NCHW,
with the allocator as it comes and frames prepared between steps. Ours is the whole command's loop in rounds of 40
steps, as in half an hour: after each it also looks at the tune part and saves its state. Each runs in a process of its
own, in turn, several times; a run beside which other programs took more than a tenth of a core is thrown away and done
again (Linux; elsewhere keep the machine quiet). "worker" is ours with one process beside it that varies frames, which a
CPU's training does not have by itself.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --set width=32 --set fold=1 --out other.json
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sononerve.settings import parse_settings
from sononerve.train.config import TrainConfig

if TYPE_CHECKING:
    from sononerve.models import Setting

MOST_OTHERS = 0.1
ROUNDS, ROUND_STEPS = 3, 40
ATTEMPTS = 6
KINDS = ("plain", "ours", "worker")


def plain_loop(data: Path, size: int, network: dict[str, Setting], batch: int, steps: int) -> dict[str, float]:
    """Seconds per step of a loop as a tutorial writes it."""
    import torch

    from sononerve.data.augment import Augment
    from sononerve.data.canvases import Canvases
    from sononerve.data.dataset import load_dataset
    from sononerve.data.module import VariedFrames
    from sononerve.data.preprocess import Preprocess
    from sononerve.losses import DiceCrossEntropy
    from sononerve.models import build

    dataset = load_dataset(data)
    preprocess = Preprocess(height=size, width=size)
    frames = VariedFrames(Canvases.of(dataset, preprocess), preprocess, Augment(), seed=0)
    model = build("unet", network, len(dataset.classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    loss = DiceCrossEntropy()
    warm = max(2, steps // 6)
    began, cpu = 0.0, 0.0
    for step in range(warm + steps):
        if step == warm:
            began, cpu = time.perf_counter(), time.process_time()
        items = [frames[step, (step * batch + i) % len(dataset)] for i in range(batch)]
        x, y = torch.cat([i.frames for i in items]), torch.cat([i.labels for i in items])
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    wall = time.perf_counter() - began
    return {"frames_per_s": steps * batch / wall, "cores": (time.process_time() - cpu) / wall}


def our_loop(data: Path, size: int, network: dict[str, Setting], batch: int, workers: int | None) -> dict[str, float]:
    """Frames a second of a whole training, from its own log, the first round left out."""
    from sononerve.train import plan as planning
    from sononerve.train.config import CanvasConfig, DataConfig
    from sononerve.train.run import train

    planning.MOST_ROUNDS = ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        config = TrainConfig(
            data=DataConfig(folder=data),
            canvas=CanvasConfig(longest=size),
            network=network,
            batch=batch,
            steps=ROUNDS * ROUND_STEPS,
            workers=workers,
        )
        train(config, out)
        rows = list(csv.DictReader((out / "log.csv").open()))
        plan = json.loads((out / "plan.json").read_text())
    first, last = rows[0], rows[-1]
    rate = (int(last["step"]) - int(first["step"])) * batch / (float(last["seconds"]) - float(first["seconds"]))
    cores = statistics.mean(float(row["cores"]) for row in rows[1:])
    return {"frames_per_s": rate, "cores": cores, "bf16": float(plan["choices"]["precision"] == "bf16")}


def measure(arguments: list[str], which: str) -> dict[str, float]:
    """One run in a process of its own, again where other programs kept the machine busy."""
    for _ in range(ATTEMPTS):
        command = [sys.executable, __file__, *arguments, "--one", which]
        began, others = time.perf_counter(), seconds_of_others()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        found["cores_of_others"] = (seconds_of_others() - others) / (time.perf_counter() - began)
        if found["cores_of_others"] <= MOST_OTHERS:
            return found
        print(f"{which}: others took {found['cores_of_others']:.2f} cores, thrown away", file=sys.stderr)
    raise SystemExit(f"{which}: the machine stayed busy; try again later")


def seconds_of_others() -> float:
    """Processor time so far that neither this process nor its ended children had; 0 where the system does not tell."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    idle, waiting = ticks[3:5]
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK") - mine


def main() -> None:
    """Measure in turn, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], help="change the default network, as width=32")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=24, help="of the plain loop, after a warm-up")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--one", choices=KINDS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "training_speed.json")
    given = parser.parse_args()
    network = TrainConfig.model_validate({"data": {"folder": "."}, "network": parse_settings(given.set)}).network
    if given.one:
        told = (given.data, given.size, network, given.batch)
        if given.one == "plain":
            print(json.dumps(plain_loop(*told, given.steps)))
        else:
            print(json.dumps(our_loop(*told, workers=1 if given.one == "worker" else None)))
        return
    from sononerve.data.phantom import PhantomConfig, write

    with tempfile.TemporaryDirectory() as folder:
        data = write(PhantomConfig(subjects=12, frames=8, height=256, width=256), Path(folder) / "phantom")
        options = ["--size", given.size, "--batch", given.batch, "--steps", given.steps, "--data", data]
        arguments = [*map(str, options), *(word for setting in given.set for word in ("--set", setting))]
        runs = [{kind: measure(arguments, kind) for kind in KINDS} for _ in range(given.repeats)]
    print("frames/s (cores)" + "".join(f"{kind:>16}" for kind in KINDS))
    for run in runs:
        cells = [f"{run[kind]['frames_per_s']:.2f} ({run[kind]['cores']:.2f})" for kind in KINDS]
        print(" " * 16 + "".join(f"{cell:>16}" for cell in cells))
    ratios = {
        f"{kind} / {base}": statistics.median(r[kind]["frames_per_s"] / r[base]["frames_per_s"] for r in runs)
        for kind, base in (("ours", "plain"), ("worker", "ours"))
    }
    print("median ratios:", ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))
    result = {
        "command": " ".join(["python", "benchmarks/training_speed.py", *sys.argv[1:]]),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "network": network,
        "size": given.size,
        "batch": given.batch,
        "runs": runs,
        "median_ratios": ratios,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
