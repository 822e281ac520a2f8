"""What runs a graph on this machine's processor: OpenVINO where it is installed, else ONNX Runtime. No PyTorch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from numpy.typing import NDArray

from ..errors import InputError
from .bundle import Bundle, Precision
from .onnx_check import check_graph
from .signal_stack import kept_signal_stack

if TYPE_CHECKING:
    import onnxruntime
    import openvino

EngineName = Literal["openvino", "onnxruntime"]
Mode = Literal["latency", "throughput"]
Shape = tuple[int | None, ...]
Tensors = dict[str, NDArray[Any]]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
"""The faster one first: docs/how-to/predict.md has the times."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class EngineChoice:
    """Where and how a bundle's graphs are run.

    ``engine``: OpenVINO where it is installed, else ONNX Runtime, unless told. ``precision``: what the bundle says,
    unless told; int8 needs graphs that were made for it, bf16 a processor and an engine that have it. ``threads``:
    cores used, all by default. ``mode``: all cores work on one frame, for the soonest answer, or each on a frame of its
    own, for the most answers a second.
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
OWN_SIZES = 4  # of frames, that get a compiled graph of their own


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
    if (choice.engine or default_engine()) == "openvino":
        return _open_in_openvino(content, precision, choice)
    if precision == "bf16":
        raise InputError("bf16: ONNX Runtime has none on a processor; use --engine openvino, or --precision fp32")
    return _open_in_onnxruntime(content, choice)


def default_engine() -> EngineName:
    """The faster of the engines that are installed."""
    return installed_engines()[0]


def in_precision(graph: str, precision: Precision) -> str:
    """The file that holds a graph in a precision: only int8 needs one of its own."""
    path = PurePath(graph)
    return f"{path.stem}.int8{path.suffix}" if precision == "int8" else graph


def _open_in_onnxruntime(content: bytes, choice: EngineChoice) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = choice.cores // choice.at_once
    options.log_severity_level = 3
    return _OnnxRuntime(onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]))


class _OnnxRuntime:
    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(given.name for given in session.get_inputs())
        self.outputs: dict[str, Shape] = {
            told.name: tuple(size if isinstance(size, int) else None for size in told.shape)
            for told in session.get_outputs()
        }

    def run(self, given: Mapping[str, NDArray[Any]]) -> Tensors:
        return dict(zip(self.outputs, self._session.run(None, dict(given)), strict=True))


def _open_in_openvino(content: bytes, precision: Precision, choice: EngineChoice) -> Engine:
    if importlib.util.find_spec("openvino") is None:
        raise InputError("--engine openvino: not installed; pip install 'sononerve[openvino]'")
    import openvino

    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise InputError("bf16: this processor computes it slower than fp32; use --precision fp32")
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": choice.cores,
        "NUM_STREAMS": str(choice.at_once),
        "PERFORMANCE_HINT": choice.mode.upper(),
    }
    return _OpenVino(core, core.read_model(content, b""), settings)


class _OpenVino:
    """A graph in OpenVINO, compiled for each of the first sizes of what it is given, and once for all further ones.

    What depends on the size alone, as the weights that scale a frame, is then computed once: 10 ms in place of 12.5 for
    a frame of 512 x 512 in int8.
    """

    def __init__(self, core: openvino.Core, model: openvino.Model, settings: dict[str, Any]) -> None:
        self._core, self._model, self._settings = core, model, settings
        self.inputs = tuple(port.get_any_name() for port in model.inputs)
        self.outputs: dict[str, Shape] = {
            _name(port): tuple(None if size.is_dynamic else size.get_length() for size in port.partial_shape)
            for port in model.outputs
        }
        self._compiled: dict[tuple[tuple[int, ...], ...], _Compiled] = {}
        self._lock = Lock()

    def run(self, given: Mapping[str, NDArray[Any]]) -> Tensors:
        shapes = tuple(given[name].shape for name in self.inputs)
        with kept_signal_stack():
            found = self._for(shapes).infer(dict(given))
        return dict(zip(self.outputs, found, strict=True))

    def _for(self, shapes: tuple[tuple[int, ...], ...]) -> _Compiled:
        with self._lock:
            shapes = shapes if shapes in self._compiled or len(self._compiled) < OWN_SIZES else ()
            if shapes not in self._compiled:
                model = self._model.clone()
                if shapes:
                    model.reshape(dict(zip(self.inputs, shapes, strict=True)))
                self._compiled[shapes] = _Compiled(self._core.compile_model(model, "CPU", self._settings))
            return self._compiled[shapes]


class _Compiled:
    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled = compiled
        self._idle: SimpleQueue[openvino.InferRequest] = SimpleQueue()

    def infer(self, given: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        try:  # a request is one thread's at a time
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            return list(request.infer(given).to_tuple())
        finally:
            self._idle.put(request)


def _name(port: openvino.ConstOutput) -> str:
    """What the graph calls an output; OpenVINO joins other names to it where the same tensor had several."""
    return str(port.get_node().get_friendly_name()).partition("/sink_port")[0]


def installed_engines() -> Sequence[EngineName]:
    """The engines that can be imported here, the faster first."""
    return [name for name in ENGINES if importlib.util.find_spec(name) is not None]
