"""The bundle's graph: uint8 frames of any size in, probabilities at that size out, everything between in ONNX.

The two ends are the sums of `sononerve.data.preprocess.Preprocess`, written from H and W; the network in the middle is
exported alone, at its fixed canvas, and joined to them.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from onnx import compose, parser
from torch import Tensor, nn

from ..data.preprocess import EDGE, STD_FLOOR, Preprocess
from ..models.output import SegmentationModel

OPSET = 20
IR_VERSION = 10

_HEADER = f'<ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}]>'

_CONSTANTS = """
  zero = Constant<value = float {{0}}>()
  half = Constant<value = float {{0.5}}>()
  one = Constant<value = float {{1}}>()
  first = Constant<value = int64 {{0}}>()
  next = Constant<value = int64 {{1}}>()
  across = Constant<value = int64[1] {{0}}>()
  along = Constant<value = int64[1] {{1}}>()
  canvas_rows = Constant<value = float {{{height}}}>()
  canvas_columns = Constant<value = float {{{width}}}>()
  frame_size = Cast<to = 1>(size)
  frame_rows = Gather(frame_size, first)
  frame_columns = Gather(frame_size, next)
  row_scale = Div(canvas_rows, frame_rows)
  column_scale = Div(canvas_columns, frame_columns)
  scale = Min(row_scale, column_scale)
"""

_SCALE = """
  {x}_extent = Mul(frame_{x}, scale)
  {x}_margin = Sub(canvas_{x}, {x}_extent)
  {x}_offset = Mul({x}_margin, half)
  {x}_target = Range(zero, canvas_{x}, one)
  {x}_middle = Add({x}_target, half)
  {x}_moved = Sub({x}_middle, {x}_offset)
  {x}_scaled = Div({x}_moved, scale)
  {x}_centre = Sub({x}_scaled, half)
  {x}_shrink = Div(one, scale)
  {x}_support = Max(one, {x}_shrink)
  {x}_source = Range(zero, frame_{x}, one)
  {x}_last = Sub(frame_{x}, one)
"""

_RESTORE = """
  {x}_extent = Mul(frame_{x}, scale)
  {x}_margin = Sub(canvas_{x}, {x}_extent)
  {x}_offset = Mul({x}_margin, half)
  {x}_target = Range(zero, frame_{x}, one)
  {x}_middle = Add({x}_target, half)
  {x}_scaled = Mul({x}_middle, scale)
  {x}_moved = Add({x}_scaled, {x}_offset)
  {x}_centre = Sub({x}_moved, half)
  {x}_support = Max(one, scale)
  {x}_source = Range(zero, canvas_{x}, one)
  {x}_last = Sub(canvas_{x}, one)
"""

_TRIANGLE = """
  {x}_low = Max({x}_centre, zero)
  {x}_inside = Min({x}_low, {x}_last)
  {x}_down = Unsqueeze({x}_inside, along)
  {x}_right = Unsqueeze({x}_source, across)
  {x}_signed = Sub({x}_right, {x}_down)
  {x}_distance = Abs({x}_signed)
  {x}_share = Div({x}_distance, {x}_support)
  {x}_height = Sub(one, {x}_share)
  {x}_triangle = Max({x}_height, zero)
  {x}_sum = ReduceSum({x}_triangle, along)
  {x}_weights = Div({x}_triangle, {x}_sum)
"""

_CUT = """
  {x}_from_first = Add({x}_centre, half)
  {x}_from_first_edge = Add({x}_from_first, edge)
  {x}_after_first = GreaterOrEqual({x}_from_first_edge, zero)
  {x}_frame_end = Sub(frame_{x}, half)
  {x}_frame_end_edge = Add({x}_frame_end, edge)
  {x}_before_last = LessOrEqual({x}_centre, {x}_frame_end_edge)
  {x}_lit = And({x}_after_first, {x}_before_last)
  {x}_lit_number = Cast<to = 1>({x}_lit)
  {x}_lit_down = Unsqueeze({x}_lit_number, along)
  {x}_matrix = Mul({x}_weights, {x}_lit_down)
"""

_FRAME_NORMALISATION = """
  all_axes = Constant<value = int64[3] {1, 2, 3}>()
  mean = ReduceMean(grey, all_axes)
  centred = Sub(grey, mean)
  square = Mul(centred, centred)
  variance = ReduceMean(square, all_axes)
  deviation = Sqrt(variance)
  floor = Constant<value = float {%(floor)s}>()
  spread = Max(deviation, floor)
  canvas = Div(centred, spread)
"""

_FIXED_NORMALISATION = """
  mean = Constant<value = float {%(mean)s}>()
  spread = Constant<value = float {%(std)s}>()
  centred = Sub(grey, mean)
  canvas = Div(centred, spread)
"""


def bundle_graph(model: SegmentationModel, preprocess: Preprocess, classes: int) -> bytes:
    """The whole graph, serialised: input ``frame`` uint8 ``(N, 1, H, W)``; output ``probabilities`` ``(N, C, H, W)``.

    Networks that have them also give ``presence`` ``(N,)`` (a probability) and ``box`` ``(N, 4)`` (cxcywh in 0..1 of
    the canvas).
    """
    network = compose.add_prefix(_network(model, preprocess), "net/", rename_inputs=False, rename_outputs=False)
    start = compose.add_prefix(_start(preprocess), "in/", rename_inputs=False, rename_outputs=False)
    end = compose.add_prefix(_end(preprocess, classes), "out/", rename_inputs=False, rename_outputs=False)
    joined = compose.merge_models(start, network, io_map=[("canvas", "network_input")])
    joined = compose.merge_models(joined, end, io_map=[("logits", "logits"), ("size", "size")])
    del joined.opset_import[1:]  # each part brought the same one
    joined.producer_name = "sononerve"
    onnx.checker.check_model(joined, full_check=True)
    return bytes(joined.SerializeToString())


def _number(value: float) -> str:
    return f"{float(value):.9g}"


def _constants(preprocess: Preprocess) -> str:
    return _CONSTANTS.format(height=preprocess.height, width=preprocess.width)


def _start(preprocess: Preprocess) -> onnx.ModelProto:
    """Frames to the network's normalised canvas, and their size."""
    ways = "".join((_SCALE + _TRIANGLE + _CUT).format(x=x) for x in ("rows", "columns"))
    values = {"floor": _number(STD_FLOOR), "mean": _number(preprocess.mean), "std": _number(preprocess.std)}
    template = _FRAME_NORMALISATION if preprocess.normalisation == "frame" else _FIXED_NORMALISATION
    return parser.parse_model(f"""{_HEADER}
start (uint8[N, 1, H, W] frame) => (float[N, 1, {preprocess.height}, {preprocess.width}] canvas, int64[2] size) {{
  size = Shape<start = 2>(frame)
{_constants(preprocess)}
  edge = Constant<value = float {{{_number(float(EDGE))}}}>()
{ways}
  pixels = Cast<to = 1>(frame)
  columns_turned = Transpose<perm = [1, 0]>(columns_matrix)
  shrunk_columns = MatMul(pixels, columns_turned)
  shrunk = MatMul(rows_matrix, shrunk_columns)
  grey = Round(shrunk)
{template % values}
}}""")


def _end(preprocess: Preprocess, classes: int) -> onnx.ModelProto:
    """Logits on the canvas to probabilities at the frame's size."""
    ways = "".join((_RESTORE + _TRIANGLE).format(x=x) for x in ("rows", "columns"))
    shape = f"{preprocess.height}, {preprocess.width}"
    return parser.parse_model(f"""{_HEADER}
end (float[N, {classes}, {shape}] logits, int64[2] size) => (float[N, {classes}, H, W] probabilities) {{
{_constants(preprocess)}{ways}
  channel_start = Constant<value = int64[1] {{0}}>()
  channel_one = Constant<value = int64[1] {{1}}>()
  channel_end = Constant<value = int64[1] {{{classes + 1}}}>()
  first_class = Slice(logits, channel_start, channel_one, channel_one)
  background = Mul(first_class, zero)
  with_background = Concat<axis = 1>(background, logits)
  softmax = Softmax<axis = 1>(with_background)
  on_canvas = Slice(softmax, channel_one, channel_end, channel_one)
  columns_turned = Transpose<perm = [1, 0]>(columns_weights)
  wide = MatMul(on_canvas, columns_turned)
  probabilities = MatMul(rows_weights, wide)
}}""")


class _Named(nn.Module):
    """The network with its output as a tuple, in the order of the graph's output names."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, network_input: Tensor) -> tuple[Tensor, ...]:
        output = self.model(network_input)
        heads = [output.logits]
        if output.presence is not None:
            heads.append(torch.sigmoid(output.presence))
        if output.box is not None:
            heads.append(output.box)
        return tuple(heads)


def _network(model: SegmentationModel, preprocess: Preprocess) -> onnx.ModelProto:
    """The network alone at its fixed canvas, batch free."""
    named = _Named(model).eval().cpu().float()
    example = torch.zeros(2, 1, preprocess.height, preprocess.width)
    with torch.no_grad():
        output = model(example)
    names = [
        "logits",
        *(["presence"] if output.presence is not None else []),
        *(["box"] if output.box is not None else []),
    ]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of torchvision, which is not used
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            named,
            (example,),
            str(path),
            input_names=["network_input"],
            output_names=names,
            dynamic_shapes={"network_input": {0: torch.export.Dim("N", min=1, max=4096)}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        network = onnx.load(io.BytesIO(path.read_bytes()))
    network.ir_version = IR_VERSION
    del network.metadata_props[:]
    for node in network.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return network
