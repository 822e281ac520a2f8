"""How a model stands worse frames: eight corruptions at five severities, the same for every model, and its scores."""

from .corruptions import CORRUPTIONS, SEVERITIES, Corruption, corrupt
from .curves import Curve, Point, Robustness, measure_robustness

__all__ = [
    "CORRUPTIONS",
    "SEVERITIES",
    "Corruption",
    "Curve",
    "Point",
    "Robustness",
    "corrupt",
    "measure_robustness",
]
