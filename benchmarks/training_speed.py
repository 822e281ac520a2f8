"""Frames a second of training: `sononerve train` against the same network in a plain loop with PyTorch's defaults.

Both see the same phantom frames with the same augmentation, loss, optimiser and batch. The plain loop is fp32, NCHW,
with the allocator as it comes and frames prepared between steps. Ours is the whole command's loop: it also looks at the
tune part and saves its state. Each runs in a process of its own, in turn, several times; a run beside which other
programs took more than a tenth of a core is thrown away and done again (Linux; elsewhere keep the machine quiet).

    python benchmarks/training_speed.py --width 32 --size 256 --out benchmarks/results/training_speed.json
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

MOST_OTHERS = 0.1
WARM_ROUNDS = 2
ATTEMPTS = 6


def plain_loop(data: Path, size: int, network: dict[str, int], batch: int, steps: int) -> dict[str, float]:
    """Seconds per step of a loop as a tutorial writes it."""
    import torch

    from sononerve.data.augment import Augment
    from sononerve.data.dataset import load_dataset
    from sononerve.data.module import Canvases, VariedFrames
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


def our_loop(data: Path, size: int, network: dict[str, int], batch: int, steps: int) -> dict[str, float]:
    """Frames a second of a whole training, from its own log, warm rounds left out."""
    from sononerve.train.config import CanvasConfig, DataConfig, TrainConfig
    from sononerve.train.run import train

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        config = TrainConfig(
            data=DataConfig(folder=data),
            canvas=CanvasConfig(longest=size),
            network=dict(network),
            batch=batch,
            steps=steps,
        )
        train(config, out)
        rows = list(csv.DictReader((out / "log.csv").open()))
        plan = json.loads((out / "plan.json").read_text())
    first, last = rows[WARM_ROUNDS - 1], rows[-1]
    rate = (int(last["step"]) - int(first["step"])) * batch / (float(last["seconds"]) - float(first["seconds"]))
    cores = statistics.mean(float(row["cores"]) for row in rows[WARM_ROUNDS:])
    return {"frames_per_s": rate, "cores": cores, "bf16": float(plan["precision"] == "bf16")}


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
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--one", choices=["plain", "ours"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "training_speed.json")
    given = parser.parse_args()
    network = {"width": given.width, "fold": given.fold}
    if given.one:
        loop = plain_loop if given.one == "plain" else our_loop
        print(json.dumps(loop(given.data, given.size, network, given.batch, given.steps)))
        return
    from sononerve.data.phantom import PhantomConfig, write

    with tempfile.TemporaryDirectory() as folder:
        data = write(PhantomConfig(subjects=12, frames=8, height=256, width=256), Path(folder) / "phantom")
        told = ["--width", given.width, "--fold", given.fold, "--size", given.size, "--batch", given.batch]
        arguments = [str(word) for word in [*told, "--steps", given.steps, "--data", data]]
        runs = [
            {"plain": measure(arguments, "plain"), "ours": measure(arguments, "ours")} for _ in range(given.repeats)
        ]
    ratios = [run["ours"]["frames_per_s"] / run["plain"]["frames_per_s"] for run in runs]
    print(f"{'run':>4} {'plain frames/s':>15} {'ours frames/s':>15} {'ratio':>6} {'cores':>12}")
    for number, (run, ratio) in enumerate(zip(runs, ratios, strict=True), start=1):
        plain, ours = run["plain"], run["ours"]
        cores = f"{plain['cores']:.2f} / {ours['cores']:.2f}"
        print(f"{number:>4} {plain['frames_per_s']:>15.2f} {ours['frames_per_s']:>15.2f} {ratio:>6.2f} {cores:>12}")
    print(f"median ratio {statistics.median(ratios):.2f}")
    result = {
        "command": " ".join(["python", "benchmarks/training_speed.py", *sys.argv[1:]]),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "network": network,
        "size": given.size,
        "batch": given.batch,
        "runs": runs,
        "median_ratio": statistics.median(ratios),
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
