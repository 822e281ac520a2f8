"""Bundles without a trained network, whose answers can be told by eye: what a grey level is, by rule.

A pixel of grey level 100 is nerve with probability 0.9, of 200 vessel with 0.8, and anything else neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import yaml
from onnx import parser

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


def bright_files(classes: Sequence[str] = ("nerve",), split: Split | None = None, fold: int = 0) -> dict[str, bytes]:
    """The files of a bundle for one class or two."""
    last = "Identity(nerve)" if len(classes) == 1 else "Concat<axis = 1>(nerve, vessel)"
    graph = parser.parse_model(_GRAPH % last)
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
