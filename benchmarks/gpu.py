"""Frames a second on a GPU by batch size: our networks against smp's U-Net with ResNet-34 and nnU-Net's 2D network.

    python benchmarks/gpu.py --out benchmarks/results/gpu.json

All in PyTorch, in 16 bit, from uint8 frames of 562 x 542 in pinned memory to uint8 label maps there, scaling included,
weights random: only the time is told. Ours see 256 x 256 and are scaled back; smp's sees the frame padded to a multiple
of 32, as notebooks have it; nnU-Net's sees its patch of 640 x 640, with its mirroring (four looks) and without. Each
system in turn and then all again, medians of all; ``graph`` is the same work sent to the GPU at once, as a CUDA graph.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sononerve.io.atomic import write_text
from sononerve.models import Output, SegmentationModel, Setting, build
from sononerve.torchvision import make_importable

HEIGHT, WIDTH, CLASSES = 562, 542, 2
CANVAS = 256
PATCH = (640, 640)  # nnU-Net's plan for such frames, rounded to what its eight levels need
BATCHES = (1, 4, 16, 64)
ROUNDS, SECONDS = 2, 0.35
THIN: dict[str, Setting] = {"width": 16, "widest": 128}

Answer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class System:
    """What answers label maps ``(N, H, W)`` for frames ``(N, 1, H, W)``, both uint8."""

    name: str
    answer: Answer


def main() -> None:
    """Time every system at every batch size, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each timing")
    told = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("gpu.py: PyTorch sees no CUDA device here")
    torch.backends.cudnn.benchmark = True
    taken: dict[str, dict[int, list[float]]] = {}
    everything = list(systems())
    with torch.inference_mode(), torch.autocast("cuda", torch.float16):
        for turn in range(ROUNDS):
            for batch in BATCHES:
                for system in everything:
                    seconds = taken.setdefault(system.name, {}).setdefault(batch, [])
                    seconds += timed(system.answer, batch, told.seconds)
                    print(turn, system.name, batch, f"{batch / statistics.median(seconds):.0f} frames a second")
                if told.out is not None:  # as they come: a machine may be lent for minutes
                    write_text(told.out, json.dumps(found(taken), indent=1) + "\n")


def found(taken: dict[str, dict[int, list[float]]]) -> dict[str, object]:
    """What was timed so far, for a file."""
    systems = {
        name: {
            str(batch): {
                "frames_a_second": round(batch / statistics.median(seconds), 1),
                "p50_ms": round(1e3 * statistics.median(seconds), 2),
                "p99_ms": round(1e3 * quantile(seconds, 0.99), 2),
                "repeats": len(seconds),
            }
            for batch, seconds in by_batch.items()
        }
        for name, by_batch in taken.items()
    }
    gpu = torch.cuda.get_device_name()
    return {"gpu": gpu, "torch": torch.__version__, "frame": [HEIGHT, WIDTH], "systems": systems}


def systems() -> Iterator[System]:
    """Ours, and the others."""
    nothing: dict[str, Setting] = {"weights": "none"}
    for name, model, settings in (
        ("realtime", "mobile-unet", THIN | nothing),
        ("vgg16-unet", "vgg16-unet", nothing),
        ("transcgu-net", "transcgu-net", {}),
    ):
        answer = on_canvas(logits_of(build(model, settings, CLASSES)))
        yield System(name, answer)
        if model != "transcgu-net":
            yield System(f"{name}, graph", graphed(answer))
    make_importable()
    smp = importlib.import_module("segmentation_models_pytorch")
    notebook = ready(smp.Unet("resnet34", encoder_weights=None, in_channels=1, classes=CLASSES))
    yield System("smp U-Net, ResNet-34", padded(notebook, (-HEIGHT % 32 + HEIGHT, -WIDTH % 32 + WIDTH)))
    one_look = logits_of(build("nnunet", {"stages": 8, "deep_supervision": False}, CLASSES))
    yield System("nnU-Net's network", padded(one_look, PATCH))
    yield System("nnU-Net's network, mirrored", padded(mirrored(one_look), PATCH))


def logits_of(model: SegmentationModel) -> Answer:
    """What it answers for the mask, on the GPU."""
    network = ready(model)
    return lambda frames: cast(Output, network(frames)).logits


def ready(network: nn.Module) -> nn.Module:
    """On the GPU, for answers."""
    network.cuda().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def on_canvas(network: Answer) -> Answer:
    """Much as our graphs do, but the canvas squashed: scaled, normalised by frame, answered, scaled back."""

    def answer(frames: Tensor) -> Tensor:
        canvas = F.interpolate(frames.float(), (CANVAS, CANVAS), mode="area")
        std, mean = torch.std_mean(canvas, (1, 2, 3), keepdim=True)
        logits = network(((canvas - mean) / std.clamp(min=1)).contiguous(memory_format=torch.channels_last))
        found = F.interpolate(logits.float(), (HEIGHT, WIDTH), mode="bilinear").sigmoid()
        return labels(found)

    return answer


def padded(network: Answer, size: tuple[int, int]) -> Answer:
    """The frame as it is, with a rim."""

    def answer(frames: Tensor) -> Tensor:
        rim = (0, size[1] - WIDTH, 0, size[0] - HEIGHT)
        canvas = F.pad(frames.float() / 255, rim).contiguous(memory_format=torch.channels_last)
        return labels(network(canvas)[:, :, :HEIGHT, :WIDTH].float().sigmoid())

    return answer


def mirrored(network: Answer) -> Answer:
    """The mean of four looks, as nnU-Net's predictor takes by default."""

    def answer(frames: Tensor) -> Tensor:
        looks = [(), (2,), (3,), (2, 3)]
        return sum(network(frames.flip(axes)).flip(axes) for axes in looks) / len(looks)  # type: ignore[return-value]

    return answer


def labels(probabilities: Tensor) -> Tensor:
    """The likeliest class where it is likelier than not, else 0."""
    likeliest = probabilities.max(1)
    return torch.where(likeliest.values > 0.5, likeliest.indices + 1, 0).to(torch.uint8)


def graphed(answer: Answer) -> Answer:
    """The same as a CUDA graph for each batch size."""
    graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def replay(frames: Tensor) -> Tensor:
        if len(frames) not in graphs:
            graphs[len(frames)] = captured(answer, frames)
        graph, entry, result = graphs[len(frames)]
        entry.copy_(frames)
        graph.replay()
        return result

    return replay


def captured(answer: Answer, frames: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
    """A graph with the tensors that it reads and writes."""
    entry, side = frames.clone(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            answer(entry)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = answer(entry)
    return graph, entry, result


def timed(answer: Answer, batch: int, seconds: float) -> list[float]:
    """Seconds of each answer, from frames in pinned memory to label maps there, after a warm-up."""
    frames = torch.randint(0, 256, (batch, 1, HEIGHT, WIDTH), dtype=torch.uint8).pin_memory()
    masks = torch.empty((batch, HEIGHT, WIDTH), dtype=torch.uint8).pin_memory()
    taken: list[float] = []
    ends = None
    while ends is None or time.perf_counter() < ends or len(taken) < 8:
        began = time.perf_counter()
        masks.copy_(answer(frames.cuda(non_blocking=True)), non_blocking=True)
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
        if ends is None and len(taken) == 3:
            ends, taken = time.perf_counter() + seconds, []
    return taken


def quantile(values: list[float], share: float) -> float:
    """By nearest rank."""
    return sorted(values)[min(len(values) - 1, round(share * len(values)))]


if __name__ == "__main__":
    main()
