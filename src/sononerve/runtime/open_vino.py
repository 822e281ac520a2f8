"""A graph in OpenVINO, on the processor."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..errors import InputError
from .engine import Engine, EngineChoice, Shape, Tensors
from .signal_stack import kept_signal_stack

if TYPE_CHECKING:
    import openvino

    from .bundle import Precision

OWN_SIZES = 4  # of frames, that get a compiled graph of their own
_FIRST_READ = Lock()


def open_in_openvino(content: bytes, precision: Precision, choice: EngineChoice) -> Engine:
    """A serialised graph, ready to run; raise `InputError` where OpenVINO is not installed or has no such precision."""
    if importlib.util.find_spec("openvino") is None:
        raise InputError("--engine openvino: not installed; pip install 'sononerve[openvino]'")
    import openvino

    with _FIRST_READ:  # of a tensor's data in this process: two threads at it wait for each other for ever (2026.4.1)
        _ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
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
