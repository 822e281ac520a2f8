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
from ..data.screen import DARK, LIT
from ..models.output import SegmentationModel
from ..runtime.predictor import AGREEMENT
from .calibrate import UNCHANGED, Temperatures

OPSET = 20
IR_VERSION = 10

_HEADER = f'<ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}]>'

# Of each frame the area [rows_first, rows_end) x [columns_first, columns_end) is seen, (N, 1) each. Weights are
# (N, target, source), so that the areas of a batch may differ.

_CONSTANTS = """
  zero = Constant<value = float {{0}}>()
  half = Constant<value = float {{0.5}}>()
  one = Constant<value = float {{1}}>()
  first = Constant<value = int64 {{0}}>()
  next = Constant<value = int64 {{1}}>()
  channel_axis = Constant<value = int64[1] {{1}}>()
  last_axis = Constant<value = int64[1] {{2}}>()
  canvas_rows = Constant<value = float {{{height}}}>()
  canvas_columns = Constant<value = float {{{width}}}>()
  frame_size = Cast<to = 1>(size)
  frame_rows = Gather(frame_size, first)
  frame_columns = Gather(frame_size, next)
"""

_SCALE_OF_AREA = """
  rows_length = Sub(rows_end, rows_first)
  columns_length = Sub(columns_end, columns_first)
  row_scale = Div(canvas_rows, rows_length)
  column_scale = Div(canvas_columns, columns_length)
  scale = Min(row_scale, column_scale)
"""

_WHOLE = """
  frame_count = Shape<start = 0, end = 1>(frame)
  as_column = Concat<axis = 0>(frame_count, channel_axis)
  rows_first = Expand(zero, as_column)
  rows_end = Expand(frame_rows, as_column)
  columns_first = Expand(zero, as_column)
  columns_end = Expand(frame_columns, as_column)
"""

_SCAN = """
  image_axes = Constant<value = int64[3] {{1, 2, 3}}>()
  across_axes = Constant<value = int64[2] {{1, 3}}>()
  down_axes = Constant<value = int64[2] {{1, 2}}>()
  dark = Constant<value = float {{{dark}}}>()
  few = Constant<value = float {{{lit}}}>()
  darkest = ReduceMin(pixels, image_axes)
  black = Add(darkest, dark)
  brighter = Greater(pixels, black)
  lit = Cast<to = 1>(brighter)
  rows_lit = ReduceSum<keepdims = 0>(lit, across_axes)
  columns_lit = ReduceSum<keepdims = 0>(lit, down_axes)
  rows_enough = Mul(rows_lit, few)
  columns_enough = Mul(columns_lit, few)
  rows_tissue = Greater(rows_enough, frame_columns)
  columns_tissue = Greater(columns_enough, frame_rows)
  rows_number = Cast<to = 1>(rows_tissue)
  columns_number = Cast<to = 1>(columns_tissue)
  rows_any = ReduceMax(rows_number, channel_axis)
  columns_any = ReduceMax(columns_number, channel_axis)
  both = Mul(rows_any, columns_any)
  found = Greater(both, half)
"""

_SCAN_ENDS = """
  {x}_start = ArgMax<axis = 1, keepdims = 1>({x}_number)
  {x}_stop = ArgMax<axis = 1, keepdims = 1, select_last_index = 1>({x}_number)
  {x}_start_number = Cast<to = 1>({x}_start)
  {x}_stop_number = Cast<to = 1>({x}_stop)
  {x}_behind = Add({x}_stop_number, one)
  {x}_first = Where(found, {x}_start_number, zero)
  {x}_end = Where(found, {x}_behind, frame_{x})
"""

_SCALE = """
  {x}_extent = Mul({x}_length, scale)
  {x}_margin = Sub(canvas_{x}, {x}_extent)
  {x}_offset = Mul({x}_margin, half)
  {x}_target = Range(zero, canvas_{x}, one)
  {x}_middle = Add({x}_target, half)
  {x}_moved = Sub({x}_middle, {x}_offset)
  {x}_scaled = Div({x}_moved, scale)
  {x}_centre = Sub({x}_scaled, half)
  {x}_shrink = Div(one, scale)
  {x}_support = Max(one, {x}_shrink)
  {x}_pixel = Range(zero, frame_{x}, one)
  {x}_source = Sub({x}_pixel, {x}_first)
  {x}_last = Sub({x}_length, one)
"""

_RESTORE = """
  {x}_extent = Mul({x}_length, scale)
  {x}_margin = Sub(canvas_{x}, {x}_extent)
  {x}_offset = Mul({x}_margin, half)
  {x}_pixel = Range(zero, frame_{x}, one)
  {x}_target = Sub({x}_pixel, {x}_first)
  {x}_middle = Add({x}_target, half)
  {x}_scaled = Mul({x}_middle, scale)
  {x}_moved = Add({x}_scaled, {x}_offset)
  {x}_centre = Sub({x}_moved, half)
  {x}_support = Max(one, scale)
  {x}_canvas = Range(zero, canvas_{x}, one)
  {x}_nothing = Mul({x}_first, zero)
  {x}_source = Add({x}_canvas, {x}_nothing)
  {x}_last = Sub(canvas_{x}, one)
"""

_TRIANGLE = """
  {x}_low = Max({x}_centre, zero)
  {x}_inside = Min({x}_low, {x}_last)
  {x}_down = Unsqueeze({x}_inside, last_axis)
  {x}_right = Unsqueeze({x}_source, channel_axis)
  {x}_signed = Sub({x}_right, {x}_down)
  {x}_distance = Abs({x}_signed)
  {x}_reach = Unsqueeze({x}_support, last_axis)
  {x}_share = Div({x}_distance, {x}_reach)
  {x}_height = Sub(one, {x}_share)
  {x}_triangle = Max({x}_height, zero)
  {x}_source_from = GreaterOrEqual({x}_source, zero)
  {x}_source_to = LessOrEqual({x}_source, {x}_last)
  {x}_seen = And({x}_source_from, {x}_source_to)
  {x}_seen_number = Cast<to = 1>({x}_seen)
  {x}_seen_across = Unsqueeze({x}_seen_number, channel_axis)
  {x}_kept = Mul({x}_triangle, {x}_seen_across)
  {x}_sum = ReduceSum({x}_kept, last_axis)
  {x}_weights = Div({x}_kept, {x}_sum)
"""

_CUT = """
  {x}_from_first = Add({x}_centre, half)
  {x}_from_first_edge = Add({x}_from_first, edge)
  {x}_after_first = GreaterOrEqual({x}_from_first_edge, zero)
  {x}_area_end = Sub({x}_length, half)
  {x}_area_end_edge = Add({x}_area_end, edge)
  {x}_before_last = LessOrEqual({x}_centre, {x}_area_end_edge)
  {x}_lit_place = And({x}_after_first, {x}_before_last)
"""

_CUT_BACK = """
  {x}_after_first = GreaterOrEqual({x}_target, zero)
  {x}_before_last = Less({x}_target, {x}_length)
  {x}_lit_place = And({x}_after_first, {x}_before_last)
"""

_MATRIX = """
  {x}_lit_number = Cast<to = 1>({x}_lit_place)
  {x}_lit_down = Unsqueeze({x}_lit_number, last_axis)
  {x}_cut = Mul({x}_weights, {x}_lit_down)
  {x}_matrix = Unsqueeze({x}_cut, channel_axis)
"""

_BOX = """
  box_x, box_y, box_width, box_height = Split<axis = 1, num_outputs = 4>(canvas_box)
  box_x_canvas = Mul(box_x, canvas_columns)
  box_y_canvas = Mul(box_y, canvas_rows)
  box_x_moved = Sub(box_x_canvas, columns_offset)
  box_y_moved = Sub(box_y_canvas, rows_offset)
  box_x_seen = Div(box_x_moved, scale)
  box_y_seen = Div(box_y_moved, scale)
  box_x_pixel = Add(box_x_seen, columns_first)
  box_y_pixel = Add(box_y_seen, rows_first)
  box_width_canvas = Mul(box_width, canvas_columns)
  box_height_canvas = Mul(box_height, canvas_rows)
  box_width_pixel = Div(box_width_canvas, scale)
  box_height_pixel = Div(box_height_canvas, scale)
  box_x_share = Div(box_x_pixel, frame_columns)
  box_y_share = Div(box_y_pixel, frame_rows)
  box_width_share = Div(box_width_pixel, frame_columns)
  box_height_share = Div(box_height_pixel, frame_rows)
  box = Concat<axis = 1>(box_x_share, box_y_share, box_width_share, box_height_share)
"""

_AREA = ("rows_first", "rows_end", "columns_first", "columns_end")
PLACES = ("size", *_AREA)
"""What the start of the graph tells its end of where in the frame the canvas lies."""
CANVAS_BOX = "canvas_box"

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


def bundle_graph(
    model: SegmentationModel, preprocess: Preprocess, classes: int, temperatures: Temperatures = UNCHANGED
) -> bytes:
    """The whole graph, serialised: input ``frame`` uint8 ``(N, 1, H, W)``; output ``probabilities`` ``(N, C, H, W)``.

    Networks that have them also give ``presence`` ``(N,)`` (a probability), ``box`` ``(N, 4)`` (cxcywh in 0..1 of the
    frame) and ``agreement`` ``(N, C)`` (in 0..1, between several looks). Logits are divided by their temperature before
    they become probabilities.
    """
    network = prefixed(_network(model, preprocess, temperatures.presence), "net/")
    joined = compose.merge_models(start_graph(preprocess), network, io_map=[("canvas", "network_input")])
    passed_on = ["logits", *PLACES, *([CANVAS_BOX] if "box" in model.heads else [])]
    end = end_graph(preprocess, classes, "box" in model.heads, temperatures.mask)
    return finished(compose.merge_models(joined, end, io_map=[(name, name) for name in passed_on]))


def prefixed(part: onnx.ModelProto, prefix: str) -> onnx.ModelProto:
    """The part with all its inner names prefixed, so that it can be joined to others."""
    return compose.add_prefix(part, prefix, rename_inputs=False, rename_outputs=False)


def finished(joined: onnx.ModelProto) -> bytes:
    """The joined graph, checked and serialised."""
    del joined.opset_import[1:]  # each part brought the same one
    joined.producer_name = "sononerve"
    onnx.checker.check_model(joined, full_check=True)
    return bytes(joined.SerializeToString())


def _number(value: float) -> str:
    return f"{float(value):.9g}"


def _constants(preprocess: Preprocess) -> str:
    return _CONSTANTS.format(height=preprocess.height, width=preprocess.width)


def start_graph(preprocess: Preprocess) -> onnx.ModelProto:
    """Frames to the network's normalised canvas, their size, and what of each is seen."""
    ways = "".join((_SCALE + _TRIANGLE + _CUT + _MATRIX).format(x=x) for x in ("rows", "columns"))
    area = _WHOLE
    if preprocess.region == "scan":
        area = _SCAN.format(dark=DARK, lit=LIT) + "".join(_SCAN_ENDS.format(x=x) for x in ("rows", "columns"))
    values = {"floor": _number(STD_FLOOR), "mean": _number(preprocess.mean), "std": _number(preprocess.std)}
    template = _FRAME_NORMALISATION if preprocess.normalisation == "frame" else _FIXED_NORMALISATION
    told = ", ".join(f"float[N, 1] {name}" for name in _AREA)
    start = parser.parse_model(f"""{_HEADER}
start (uint8[N, 1, H, W] frame) =>
  (float[N, 1, {preprocess.height}, {preprocess.width}] canvas, int64[2] size, {told}) {{
  size = Shape<start = 2>(frame)
  pixels = Cast<to = 1>(frame)
{_constants(preprocess)}
{area}
{_SCALE_OF_AREA}
  edge = Constant<value = float {{{_number(float(EDGE))}}}>()
{ways}
  columns_turned = Transpose<perm = [0, 1, 3, 2]>(columns_matrix)
  shrunk_columns = MatMul(pixels, columns_turned)
  shrunk = MatMul(rows_matrix, shrunk_columns)
  grey = Round(shrunk)
{template % values}
}}""")
    return prefixed(start, "in/")


def end_graph(preprocess: Preprocess, classes: int, box: bool, temperature: float) -> onnx.ModelProto:
    """Logits on the canvas to probabilities at the frame's size; 0 where nothing was seen.

    ``box``: a box in 0..1 of the canvas becomes one in 0..1 of the frame too. ``temperature``: that of the mask.
    """
    ways = "".join((_RESTORE + _TRIANGLE + _CUT_BACK + _MATRIX).format(x=x) for x in ("rows", "columns"))
    shape = f"{preprocess.height}, {preprocess.width}"
    told = ", ".join(f"float[N, 1] {name}" for name in _AREA)
    box_in, box_out, box_sums = (f", float[N, 4] {CANVAS_BOX}", ", float[N, 4] box", _BOX) if box else ("", "", "")
    end = parser.parse_model(f"""{_HEADER}
end (float[N, {classes}, {shape}] logits, int64[2] size, {told}{box_in})
  => (float[N, {classes}, H, W] probabilities{box_out}) {{
{_constants(preprocess)}
{_SCALE_OF_AREA}
{ways}
  channel_start = Constant<value = int64[1] {{0}}>()
  channel_one = Constant<value = int64[1] {{1}}>()
  channel_end = Constant<value = int64[1] {{{classes + 1}}}>()
  temperature = Constant<value = float {{{_number(temperature)}}}>()
  cooled = Div(logits, temperature)
  first_class = Slice(cooled, channel_start, channel_one, channel_one)
  background = Mul(first_class, zero)
  with_background = Concat<axis = 1>(background, cooled)
  softmax = Softmax<axis = 1>(with_background)
  on_canvas = Slice(softmax, channel_one, channel_end, channel_one)
  columns_turned = Transpose<perm = [0, 1, 3, 2]>(columns_matrix)
  wide = MatMul(on_canvas, columns_turned)
  probabilities = MatMul(rows_matrix, wide)
{box_sums}
}}""")
    return prefixed(end, "out/")


class _Named(nn.Module):
    """The network with its output as a tuple, the logits first, then presence, box and agreement."""

    def __init__(self, model: SegmentationModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        output = self.model(*inputs)
        heads = [output.logits]
        if output.presence is not None:
            heads.append(torch.sigmoid(output.presence / self.temperature))
        if output.box is not None:
            heads.append(output.box)
        if output.agreement is not None:
            heads.append(output.agreement)
        return tuple(heads)


def _network(model: SegmentationModel, preprocess: Preprocess, temperature: float) -> onnx.ModelProto:
    """The network alone at its fixed canvas, batch free; ``temperature`` is that of presence."""
    names = {"presence": "presence", "box": CANVAS_BOX}
    return export_network(
        _Named(model, temperature),
        {"network_input": torch.zeros(2, 1, preprocess.height, preprocess.width)},
        ["logits", *(names[head] for head in model.heads), *([AGREEMENT] if model.agrees else [])],
    )


def export_network(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str]) -> onnx.ModelProto:
    """What ``module`` does to a list of ``inputs``, examples by name, as ONNX; the first axis of each is free."""
    module = module.eval().cpu().float()
    batch = torch.export.Dim("N", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of torchvision, which is not used
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            module,
            (list(inputs.values()),),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=([{0: batch} for _ in inputs],),
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
