"""What runs a graph: OpenVINO where it is installed, else ONNX Runtime, or a GPU where asked for. No PyTorch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from numpy.typing import NDArray

from ..errors import InputError
from .bundle import Bundle, Precision, in_precision
from .onnx_check import check_graph
from .onnx_runtime import PROVIDERS, open_in_onnxruntime
from .open_vino import open_in_openvino

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


def open_engine(bundle: Bundle, graph: str, choice: EngineChoice = DEFAULT) -> Engine:
    """One of the bundle's graphs, ready to run; raise `InputError` where that cannot be had."""
    precision = choice.precision or bundle.config.precision
    name = in_precision(graph, precision)
    if name not in bundle.files:
        raise InputError(
            f"{bundle.source}: has no {name}, so it does not run in {precision}; make one with "
            f"'sononerve export RUN --precision {precision} -o model.sono'"
        )
    check_graph(bundle.files[name], f"{bundle.source}: {name}")
    try:
        return open_graph(bundle.files[name], precision, choice)
    except InputError:
        raise
    except Exception as error:  # neither engine's errors share a base class
        told = " ".join(str(error).split())
        raise InputError(f"{bundle.source}: {name} cannot be run ({told}); export it again") from error


def open_graph(content: bytes, precision: Precision = "fp32", choice: EngineChoice = DEFAULT) -> Engine:
    """A serialised graph, ready to run; its quantised form is given for int8."""
    engine = choice.engine or default_engine()
    if engine == "openvino":
        return open_in_openvino(content, precision, choice)
    if precision == "bf16":
        raise InputError("bf16: ONNX Runtime is not run in it; use --engine openvino, or --precision fp32")
    return open_in_onnxruntime(content, PROVIDERS[engine], choice)


def default_engine() -> EngineName:
    """The faster of the engines that are installed."""
    return installed_engines()[0]


def installed_engines() -> Sequence[EngineName]:
    """The engines of the processor that can be imported here, the faster first."""
    return [name for name in CPU_ENGINES if importlib.util.find_spec(name) is not None]
