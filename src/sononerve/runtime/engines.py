"""What runs a graph: OpenVINO where it is installed, else ONNX Runtime, or a GPU where asked for. No PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from ..errors import InputError
from .bundle import Bundle, Precision, in_precision
from .engine import CPU_ENGINES, DEFAULT, Engine, EngineChoice, EngineName
from .onnx_check import check_graph
from .onnx_runtime import PROVIDERS, open_in_onnxruntime
from .open_vino import open_in_openvino


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
