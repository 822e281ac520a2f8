"""What an engine is, and what it may be told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from numpy.typing import NDArray

from .bundle import Precision

EngineName = Literal["openvino", "onnxruntime", "cuda", "tensorrt"]
Mode = Literal["latency", "throughput"]
Shape = tuple[int | None, ...]
Tensors = dict[str, NDArray[Any]]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
CPU_ENGINES: tuple[EngineName, ...] = ENGINES[:2]
"""The faster one first: docs/how-to/predict.md has the times."""
GPU_ENGINES: tuple[EngineName, ...] = ENGINES[2:]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class EngineChoice:
    """Where and how a bundle's graphs are run.

    ``engine``: OpenVINO where it is installed, else ONNX Runtime, unless told: its CUDA and TensorRT need a GPU, and
    are never taken by themselves. ``precision``: what the bundle says, unless told; int8 needs graphs that were made
    for it, bf16 a processor and an engine that have it. ``threads``: cores used, all by default. ``mode``: all cores
    work on one frame, for the soonest answer, or each on a frame of its own, for the most answers a second.
    """

    engine: EngineName | None = None
    precision: Precision | None = None
    threads: int | None = None
    mode: Mode = "latency"

    @property
    def cores(self) -> int:
        """How many are used."""
        return self.threads or os.cpu_count() or 1

    @property
    def at_once(self) -> int:
        """How many frames are best given at the same time, by as many threads."""
        return self.cores if self.mode == "throughput" else 1


DEFAULT = EngineChoice()


class Engine(Protocol):
    """A graph that is ready to run; one may be shared by threads."""

    inputs: tuple[str, ...]
    outputs: dict[str, Shape]
    """The shape of each output; None where an axis is free."""

    def run(self, given: Mapping[str, NDArray[Any]]) -> Tensors:
        """The outputs by name."""
