"""Where a frame's time goes inside OpenVINO, layer by layer, and how close its convolutions are to the machine's peak.

sononerve phantom --out drawn --subjects 8 --frames 1 --set height=542 --set width=562
python benchmarks/layers.py --model model.sono --frame drawn/images/0001_1.png

The peak is that of the best of four convolutions of 256 channels in int8.
OpenVINO fuses layers: what stands for a convolution holds the activation behind it, and its rounding.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import openvino
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sononerve.io.frames import read_frame
from sononerve.models.cost import count_flops
from sononerve.process import keep_memory, processor
from sononerve.runtime.bundle import GRAPH, Bundle, in_precision
from sononerve.runtime.predictor import Predictor
from sononerve.train.restore import restore

WARM, TIMED = 5, 60
CHANNELS, SIDE = 256, 64
RESULT = Path(__file__).parent / "results" / "layers.json"
KINDS = {
    "Convolution": "convolutions",
    "ConvolutionBackpropData": "convolutions",
    "GroupConvolution": "convolutions",
    "MVN": "normalisation",
}


def main() -> None:
    """Time, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--frame", type=Path, required=True)
    told = parser.parse_args()
    keep_memory()
    bundle, frame = Bundle.open(told.model), read_frame(told.frame)
    precision = bundle.config.precision
    given = {"frame": frame.pixels[None, None]}
    whole_ms, layers = profiled(bundle.files[in_precision(GRAPH, precision)], given)
    peak = peak_gops()
    network, preprocess = restore(bundle)
    gop = count_flops(network, preprocess.height, preprocess.width) / 1e9
    groups: dict[str, float] = {}
    for (name, kind), taken in layers.items():
        group = _group(name, kind)
        groups[group] = groups.get(group, 0.0) + taken
    inside = sum(taken for group, taken in groups.items() if group.startswith("network"))
    result = {
        "machine": processor(),
        "model": bundle.identity,
        "precision": precision,
        "frame": frame.shape,
        "predict_ms": _predict_ms(bundle, told.frame),
        "engine_ms": whole_ms,
        "groups_ms": groups,
        "network_gop": gop,
        "network_gops": 1000 * gop / inside,
        "convolution_gops": 1000 * gop / groups["network: convolutions"],
        "peak_int8_gops": peak,
    }
    print(json.dumps(result, indent=1))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _group(name: str, kind: str) -> str:
    if name.startswith("in/"):
        return "frame to canvas"
    if name.startswith("out/") or name == "probabilities":
        return "canvas to probabilities"
    return f"network: {KINDS.get(kind, 'the rest')}"


def _predict_ms(bundle: Bundle, path: Path) -> float:
    """Milliseconds of the whole predictor, its labels and measurements too."""
    predictor, frame = Predictor(bundle), read_frame(path)
    taken = []
    for _ in range(WARM + TIMED):
        began = time.perf_counter()
        predictor.predict(frame)
        taken.append(1000 * (time.perf_counter() - began))
    return median(taken[WARM:])


def profiled(graph: bytes, given: dict[str, NDArray[Any]]) -> tuple[float, dict[tuple[str, str], float]]:
    """Median milliseconds of a run, and mean ones of each layer by name and type."""
    core = openvino.Core()
    model = core.read_model(graph, b"")
    model.reshape({name: value.shape for name, value in given.items()})
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1", "PERF_COUNT": "YES"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    runs: list[float] = []
    layers: dict[tuple[str, str], float] = {}
    for number in range(WARM + TIMED):
        began = time.perf_counter()
        request.infer(given)
        if number >= WARM:
            runs.append(1000 * (time.perf_counter() - began))
            for layer in request.profiling_info:
                key, taken = (layer.node_name, layer.node_type), 1000 * layer.real_time.total_seconds() / TIMED
                layers[key] = layers.get(key, 0.0) + taken
    return median(runs), layers


def peak_gops() -> float:
    """Operations a second, in 10^9, of four convolutions in int8 behind each other, the best layer of them."""
    rng = np.random.default_rng(0)
    nodes, values, last = [], [], "frame"
    scale, zero = numpy_helper.from_array(np.float32(0.02), "scale"), numpy_helper.from_array(np.uint8(128), "zero")
    small, none = numpy_helper.from_array(np.float32(0.001), "small"), numpy_helper.from_array(np.int8(0), "none")
    for number in range(4):
        weights = rng.integers(-127, 128, (CHANNELS, CHANNELS, 3, 3)).astype(np.int8)
        values.append(numpy_helper.from_array(weights, f"weights{number}"))
        nodes += [
            helper.make_node("QuantizeLinear", [last, "scale", "zero"], [f"rounded{number}"]),
            helper.make_node("DequantizeLinear", [f"rounded{number}", "scale", "zero"], [f"in{number}"]),
            helper.make_node("DequantizeLinear", [f"weights{number}", "small", "none"], [f"w{number}"]),
            helper.make_node("Conv", [f"in{number}", f"w{number}"], [f"c{number}"], f"conv{number}", pads=[1] * 4),
            helper.make_node("Relu", [f"c{number}"], [f"out{number}"]),
        ]
        last = f"out{number}"
    shape = [1, CHANNELS, SIDE, SIDE]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("frame", last)]
    graph = helper.make_graph(nodes, "peak", ends[:1], ends[1:], [scale, zero, small, none, *values])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    picture = rng.normal(size=shape).astype(np.float32)
    _, layers = profiled(model.SerializeToString(), {"frame": picture})
    best = min(ms for (_, kind), ms in layers.items() if kind == "Convolution")
    return 2 * CHANNELS**2 * 9 * SIDE**2 / best / 1e6


if __name__ == "__main__":
    main()
