"""What the default U-Net's instance normalisation costs against BatchNorm: a training step, and a frame at run time.

Untrained networks with random frames, each kind measured in turn, several times, on all cores. A training step is 16
canvases of 256 x 256 in bf16 with PyTorch; a frame is 562 x 542 from uint8 to probabilities with ONNX Runtime.

    python benchmarks/norm_speed.py
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from sononerve.data.module import Batch
from sononerve.data.preprocess import Preprocess
from sononerve.losses import DiceCrossEntropy
from sononerve.models import SegmentationModel, build
from sononerve.process import keep_memory
from sononerve.train.graph import bundle_graph
from sononerve.train.machine import time_step

NORMS = ("batch", "instance")
SIZE, BATCH, CLASSES = 256, 16, 2
FRAME = (562, 542)


def step_seconds(model: SegmentationModel) -> float:
    """Median seconds of a few training steps."""
    frames = torch.randn(BATCH, 1, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    return time_step(
        model, DiceCrossEntropy(), Batch(frames, torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))), "bf16", "cpu"
    )


def frame_seconds(session: ort.InferenceSession, times: int = 15) -> float:
    """Median seconds of one frame, after a warm-up."""
    frame = np.random.default_rng(0).integers(0, 256, (1, 1, *FRAME), np.uint8)
    seconds = []
    for _ in range(times + 3):
        began = time.perf_counter()
        session.run(None, {"frame": frame})
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[3:])


def main() -> None:
    """Measure in turn, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "norm_speed.json")
    given = parser.parse_args()
    keep_memory()
    preprocess = Preprocess(height=SIZE, width=SIZE)
    models = {norm: build("unet", {"norm": norm}, CLASSES) for norm in NORMS}
    sessions = {
        norm: ort.InferenceSession(bundle_graph(model.eval(), preprocess, CLASSES), providers=["CPUExecutionProvider"])
        for norm, model in models.items()
    }
    runs = [
        {
            norm: {"step_s": step_seconds(models[norm]), "frame_ms": 1000 * frame_seconds(sessions[norm])}
            for norm in NORMS
        }
        for _ in range(given.repeats)
    ]
    told: dict[str, object] = {
        "command": " ".join(["python", "benchmarks/norm_speed.py", *sys.argv[1:]]),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "runs": runs,
    }
    for name in ("step_s", "frame_ms"):
        medians = {norm: statistics.median(run[norm][name] for run in runs) for norm in NORMS}
        ratio = statistics.median(run["instance"][name] / run["batch"][name] for run in runs)
        told[name] = medians | {"median_ratio": ratio}
        print(
            f"{name:>9}: batch {medians['batch']:.3f}, instance {medians['instance']:.3f}, instance / batch {ratio:.2f}"
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
