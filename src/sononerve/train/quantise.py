"""Graphs in int8: the network's convolutions and products in 8 bits, but for those whose rounding costs Dice.

What scales frames and masks stays as it is. Ranges are those that the network's values have on frames it was fitted to
(Jacob et al., CVPR 2018, arXiv:1712.05877); weights have a scale per output channel.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame
from ..runtime.bundle import DECODER, ENCODER, GRAPH, Bundle, in_precision
from ..runtime.engine import Tensors
from ..runtime.engines import open_graph
from ..runtime.predictor import AGREEMENT

MOST_LOST = 0.005  # Dice of any class on the tune part: int8 that costs more is not offered
JUDGED_ON = 8  # frames, where layers are told apart
TINY = 1e-12
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
NETWORK = "net/"  # what `train.graph` calls the nodes of the network, behind a member's number in an ensemble


@dataclass(frozen=True)
class Quantised:
    """``bundle`` with graphs in int8; ``kept``: the layers that stay in fp32; ``lost``: Dice that int8 costs."""

    bundle: Bundle
    kept: tuple[str, ...]
    lost: float


def quantise(bundle: Bundle, frames: Sequence[Frame], lost: Callable[[Bundle], float]) -> Quantised:
    """Add graphs in int8 to a bundle.

    ``frames``: from which ranges are taken, of the fit part. ``lost``: the Dice that a bundle with int8 graphs costs
    against fp32, on the tune part. Where that is more than 0.005, the layers whose rounding changes the answer most are
    left in fp32, twice as many each time; in the halves that filter early as many as in the whole graph, for their
    layers have other names. Raises `InputError` where even half of the layers do not suffice.
    """
    with tempfile.TemporaryDirectory() as folder:
        graphs = [_Graph(Path(folder), name, bundle.files[name], feeds) for name, feeds in _feeds(bundle, frames)]
        count, layers = 0, len(graphs[0].layers)
        while True:
            made = {in_precision(graph.name, "int8"): graph.in_int8(count) for graph in graphs}
            candidate = replace(bundle, files={**bundle.files, **made})
            cost = lost(candidate)
            if cost <= MOST_LOST:
                return Quantised(candidate, tuple(graphs[0].most_harmful(count)), cost)
            if max(1, 2 * count) > layers // 2:
                raise InputError(
                    f"{bundle.source}: int8 costs {cost:.3f} Dice on the tune part even with {count} of {layers} "
                    f"layers in fp32, and at most {MOST_LOST} is accepted; use --precision bf16 or fp32"
                )
            count = max(1, 2 * count)


def _feeds(bundle: Bundle, frames: Sequence[Frame]) -> list[tuple[str, list[Tensors]]]:
    """The bundle's graphs, the whole one first, with the inputs that each has for the frames."""
    whole: list[Tensors] = [{"frame": frame.pixels[None, None]} for frame in frames]
    found = [(GRAPH, whole)]
    if ENCODER in bundle.files:
        encoder, decoder = open_graph(bundle.files[ENCODER]), open_graph(bundle.files[DECODER])
        told = [encoder.run(given) for given in whole]
        found.append((ENCODER, whole))
        found.append((DECODER, [{name: one[name] for name in decoder.inputs} for one in told]))
    return found


class _Graph:
    """One graph, whose ranges are taken once; ``folder`` is for what is written on the way."""

    def __init__(self, folder: Path, name: str, content: bytes, feeds: Sequence[Tensors]) -> None:
        self.name, self.folder, self._feeds = name, folder, feeds
        self._content = content
        self._ranges = folder / f"{name}.ranges.json"
        graph = onnx.load_from_string(content).graph
        weights = {tensor.name for tensor in graph.initializer}
        self.layers = [
            node.name
            for node in graph.node
            if node.op_type in WEIGHTED and NETWORK in node.name and weights & set(node.input[:2])
        ]

    def in_int8(self, count: int) -> bytes:
        """The graph with its layers in int8 but for the ``count`` most harmful ones, serialised."""
        kept = self.most_harmful(count)
        return self._written([layer for layer in self.layers if layer not in kept])

    def most_harmful(self, count: int) -> list[str]:
        """The layers whose rounding alone changes what the graph tells most, the worst first."""
        return self._by_harm[:count] if count else []

    @cached_property
    def _by_harm(self) -> list[str]:
        some = self._feeds[:: max(1, len(self._feeds) // JUDGED_ON)]
        right = _answers(self._content, some)
        harm = {layer: _change(_answers(self._written([layer]), some), right) for layer in self.layers}
        return sorted(harm, key=lambda layer: -harm[layer])

    def _written(self, layers: list[str]) -> bytes:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        path = self.folder / "int8.onnx"
        logging.disable(logging.WARNING)  # it asks for a preprocessing that the export has done
        try:
            quantize_static(
                onnx.load_from_string(self._content),  # it takes the weights out of what it is given
                path,
                None if self._ranges.is_file() else _Reader(self._feeds),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(WEIGHTED),
                nodes_to_quantize=layers,
                extra_options={"OpTypesToExcludeOutputQuantization": list(WEIGHTED)},  # norms see what was summed
                calibration_cache_path=self._ranges,
            )
        finally:
            logging.disable(logging.NOTSET)
        return path.read_bytes()


class _Reader:
    """Hands the inputs out one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, feeds: Sequence[Tensors]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Mapping[str, NDArray[Any]] | None:
        return next(self._left, None)


def _answers(content: bytes, feeds: Sequence[Tensors]) -> list[Tensors]:
    engine = open_graph(content, "int8")
    return [engine.run(given) for given in feeds]


def _change(found: Sequence[Tensors], right: Sequence[Tensors]) -> float:
    """How far the outputs are from the right ones: of each the mean difference over the mean size, all together."""
    total = 0.0
    for name in right[0].keys() - {AGREEMENT}:  # which one pixel may change from 0 to 1
        pairs = [(a[name].astype(np.float64), b[name]) for a, b in zip(found, right, strict=True)]
        apart = np.mean([np.abs(a - b).mean() for a, b in pairs])
        size = np.mean([np.abs(b).mean() for _, b in pairs])
        total += float(apart / max(size, TINY))
    return total
