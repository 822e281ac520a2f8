"""Two graphs for early filtering: all but the decoder, and the decoder, which frames without a nerve never reach."""

from __future__ import annotations

import torch
from onnx import compose
from torch import Tensor, nn

from ..data.preprocess import Preprocess
from ..models.output import Encoded, FilteringModel
from .calibrate import UNCHANGED, Temperatures
from .graph import CANVAS_BOX, end_graph, export_network, finished, prefixed, start_graph

LOGIT = "presence_logit"


def filter_graphs(
    model: FilteringModel, preprocess: Preprocess, classes: int, temperatures: Temperatures = UNCHANGED
) -> tuple[bytes, bytes]:
    """Encoder and decoder, serialised; every output of the first but ``presence`` is an input of the second.

    Encoder: ``frame`` uint8 ``(N, 1, H, W)`` to ``presence`` ``(N,)``, a probability, and what the decoder needs.
    Decoder: to ``probabilities`` ``(N, C, H, W)`` and ``box`` ``(N, 4)`` as in the whole graph.
    """
    frames = torch.zeros(2, 1, preprocess.height, preprocess.width)
    with torch.no_grad():
        encoded = model.eval().cpu().float().encode(frames)
    told = _tensors(encoded)
    encoding = export_network(_Encoding(model, temperatures.presence), {"network_input": frames}, ["presence", *told])
    start = compose.merge_models(start_graph(preprocess), prefixed(encoding, "net/"), [("canvas", "network_input")])
    box = told.pop(CANVAS_BOX, None)
    decoding = export_network(_Decoding(model, list(told)), told, ["logits"])
    end = end_graph(preprocess, classes, box is not None, temperatures.mask)
    return finished(start), finished(compose.merge_models(prefixed(decoding, "net/"), end, [("logits", "logits")]))


def _tensors(encoded: Encoded) -> dict[str, Tensor]:
    """What the decoder needs, by name; the box is only passed on."""
    assert encoded.presence is not None
    found = {f"skip_{level}": skip for level, skip in enumerate(encoded.skips)}
    found |= {"features": encoded.features, "token": encoded.token, LOGIT: encoded.presence}
    return found | ({} if encoded.box is None else {CANVAS_BOX: encoded.box})


class _Encoding(nn.Module):
    """The network up to its bottleneck, with a tuple for an output; ``temperature`` is that of presence."""

    def __init__(self, model: FilteringModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        told = _tensors(self.model.encode(*inputs))
        return torch.sigmoid(told[LOGIT] / self.temperature), *told.values()


class _Decoding(nn.Module):
    """The network from its bottleneck on; its inputs are what `_tensors` names, in that order."""

    def __init__(self, model: FilteringModel, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, inputs: list[Tensor]) -> Tensor:
        told = dict(zip(self.names, inputs, strict=True))
        skips = tuple(tensor for name, tensor in told.items() if name.startswith("skip_"))
        encoded = Encoded(skips, told["features"], told["token"], told[LOGIT], None)
        return self.model.decode(encoded).logits
