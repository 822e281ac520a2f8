"""A graph in ONNX Runtime: on the processor, or on a GPU through CUDA or TensorRT."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from ..errors import InputError
from ..io.home import home
from .engine import Engine, EngineChoice, Shape, Tensors

if TYPE_CHECKING:
    import onnxruntime


class Provider(NamedTuple):
    """What ONNX Runtime calls a way of computing, and how it is asked to."""

    name: str
    options: Mapping[str, str] = {}


PROVIDERS: Mapping[str, Provider] = {
    "onnxruntime": Provider("CPUExecutionProvider"),
    # with TF32, the default, fp32 would have ten bits of mantissa
    "cuda": Provider("CUDAExecutionProvider", {"use_tf32": "0"}),
    "tensorrt": Provider("TensorrtExecutionProvider", {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}),
}
ADVICE = "use another --engine; where none was told, 'sononerve tune' measures again"


def open_in_onnxruntime(content: bytes, provider: Provider, choice: EngineChoice) -> Engine:
    """A serialised graph, ready to run; raise `InputError` where the provider is not there, or finds no GPU.

    Operators that a GPU's provider lacks run on the processor.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = choice.cores // choice.at_once
    options.log_severity_level = 3
    if provider == PROVIDERS["onnxruntime"]:
        session = onnxruntime.InferenceSession(content, options, providers=[provider.name])
    else:
        session = _on_gpu(content, provider, options)
    return _OnnxRuntime(session, choice.at_once)


def _on_gpu(content: bytes, provider: Provider, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    import onnxruntime

    if provider.name not in onnxruntime.get_available_providers():
        raise InputError(
            f"{provider.name}: this build of ONNX Runtime has none; install onnxruntime-gpu in place of onnxruntime, "
            f"or {ADVICE}"
        )
    with redirect_stdout(sys.stderr):  # it prints what it does not find, and standard output is the user's
        onnxruntime.preload_dlls()
    given = dict(provider.options)
    if "trt_engine_cache_enable" in given:  # a build takes minutes
        given["trt_engine_cache_path"] = given["trt_timing_cache_path"] = str(home() / "tensorrt")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=[(provider.name, given)], enable_fallback=0)
    except Exception as error:  # its errors share no base class
        raise InputError(f"{provider.name}: {' '.join(str(error).split())}; {ADVICE}") from error
    if provider.name not in session.get_providers():  # it only warns, and would compute on the processor
        raise InputError(f"{provider.name}: ONNX Runtime found no GPU, or not the libraries, that it needs; {ADVICE}")
    return session


class _OnnxRuntime:
    def __init__(self, session: onnxruntime.InferenceSession, at_once: int) -> None:
        self._session = session
        self._free = BoundedSemaphore(at_once)  # the thread that asks computes too
        self.inputs = tuple(given.name for given in session.get_inputs())
        self.outputs: dict[str, Shape] = {
            told.name: tuple(size if isinstance(size, int) else None for size in told.shape)
            for told in session.get_outputs()
        }

    def run(self, given: Mapping[str, NDArray[Any]]) -> Tensors:
        with self._free:
            found = self._session.run(None, dict(given))
        return dict(zip(self.outputs, found, strict=True))
