"""Bundles without a trained network, whose answers can be told by eye.

`bright_files`: a pixel of grey level 100 is nerve with probability 0.9, of 200 vessel with 0.8, and anything else
neither. `even_files`: every pixel of every frame has the same probabilities. `rising_files`: 0.1 in the first column,
0.2 in the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import yaml
from onnx import parser
from safetensors.numpy import save

from sononerve.data.split import Split
from sononerve.runtime.bundle import CARD, CONFIG, GRAPH, SCORES, SPLIT, WEIGHTS

NERVE, VESSEL = 100, 200

_GRAPH = """<ir_version: 10, opset_import: ["" : 20]>
bright (uint8[N, 1, H, W] frame) => (float[N, C, H, W] probabilities) {
  nerve_level = Constant<value = uint8[1] {100}>()
  vessel_level = Constant<value = uint8[1] {200}>()
  nerve_sure = Constant<value = float {0.9}>()
  vessel_sure = Constant<value = float {0.8}>()
  is_nerve = Equal(frame, nerve_level)
  is_vessel = Equal(frame, vessel_level)
  nerve_number = Cast<to = 1>(is_nerve)
  vessel_number = Cast<to = 1>(is_vessel)
  nerve = Mul(nerve_number, nerve_sure)
  vessel = Mul(vessel_number, vessel_sure)
  probabilities = %s
}"""


_EVEN = """<ir_version: 10, opset_import: ["" : 20]>
even (uint8[N, 1, H, W] frame) => (float[N, C, H, W] probabilities %(told)s) {
  zero = Constant<value = float {0}>()
  axes = Constant<value = int64[3] {1, 2, 3}>()
  number = Cast<to = 1>(frame)
  nothing = Mul(number, zero)
  sure = Constant<value = float[1, %(classes)d, 1, 1] {%(sure)s}>()
  probabilities = Add(nothing, sure)
  %(heads)s
}"""

_PRESENCE = """
  frames = ReduceMean<keepdims = 0>(nothing, axes)
  likely = Constant<value = float {%f}>()
  presence = Add(frames, likely)
"""

_BOX = """
  columns = Constant<value = int64[2] {2, 3}>()
  rows = ReduceMean<keepdims = 0>(nothing, columns)
  place = Constant<value = float[4] {%s}>()
  box = Add(rows, place)
"""

_RISING = """<ir_version: 10, opset_import: ["" : 20]>
rising (uint8[N, 1, H, W] frame) => (float[N, 1, H, W] probabilities) {
  zero = Constant<value = float {0}>()
  step = Constant<value = float {0.1}>()
  across = Constant<value = int64 {3}>()
  number = Cast<to = 1>(frame)
  nothing = Mul(number, zero)
  steps = Add(nothing, step)
  probabilities = CumSum(steps, across)
}"""


def even_files(
    *sure: float,
    presence: float | None = None,
    box: Sequence[float] | None = None,
    split: Split | None = None,
    fold: int = 0,
) -> dict[str, bytes]:
    """The files of a bundle that is this ``sure`` of each class everywhere, and perhaps has heads."""
    told, heads = "", ""
    if presence is not None:
        told, heads = ", float[N] presence", _PRESENCE % presence
    if box is not None:
        told, heads = told + ", float[N, 4] box", heads + _BOX % ", ".join(map(str, box))
    values = {"told": told, "heads": heads, "classes": len(sure), "sure": ", ".join(map(str, sure))}
    files = _files(_EVEN % values, ("nerve", "vessel")[: len(sure)], split, fold)
    return files | {WEIGHTS: save({"head": np.array(sure, np.float32)})}


def rising_files() -> dict[str, bytes]:
    """The files of a bundle whose nerve is likelier to the right."""
    return _files(_RISING, ("nerve",))


def bright_files(classes: Sequence[str] = ("nerve",), split: Split | None = None, fold: int = 0) -> dict[str, bytes]:
    """The files of a bundle for one class or two."""
    last = "Identity(nerve)" if len(classes) == 1 else "Concat<axis = 1>(nerve, vessel)"
    return _files(_GRAPH % last, classes, split, fold)


def _files(text: str, classes: Sequence[str], split: Split | None = None, fold: int = 0) -> dict[str, bytes]:
    graph = parser.parse_model(text)
    onnx.checker.check_model(graph)
    files = {
        GRAPH: graph.SerializeToString(),
        WEIGHTS: b"none",
        CONFIG: yaml.safe_dump({"classes": list(classes), "fold": fold}).encode(),
        SCORES: b"{}\n",
        CARD: b"# bright\n",
    }
    if split is not None:
        files[SPLIT] = split.model_dump_json().encode()
    return files


def bright_frame(height: int = 40, width: int = 60, vessel: bool = False) -> np.ndarray:
    """A dark frame with a nerve of 4 rows by 10 columns at row 8, column 20, and perhaps a vessel of 3 by 3."""
    pixels = np.full((height, width), 30, np.uint8)
    pixels[8:12, 20:30] = NERVE
    if vessel:
        pixels[20:23, 5:8] = VESSEL
    return pixels
