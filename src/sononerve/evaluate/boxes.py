"""Scores against boxes: what can honestly be said where people drew boxes around nerves and not their outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..data.layouts.drawn import box_mask
from ..data.layouts.masks import FilledBoxes
from ..frame import Sample, measure

LOOKED_AT = 50  # frames; boxes show themselves in the first few


@dataclass(frozen=True)
class BoxScores:
    """One frame with boxes.

    ``inside``: share of the predicted pixels that lie in a box, 0 where nothing was predicted. ``touched``: share of
    the boxes that hold a predicted pixel.
    """

    inside: float
    touched: float


def score_boxes(sample: Sample, predicted: NDArray[np.bool_]) -> BoxScores | None:
    """Score a prediction ``(H, W)`` against the sample's boxes; None where the frame has none."""
    if sample.boxes is None or not len(sample.boxes):
        return None
    boxes = [box_mask(box, predicted.shape) for box in sample.boxes]
    union = np.logical_or.reduce(boxes)
    found = int(predicted.sum())
    inside = float((predicted & union).sum() / found) if found else 0.0
    return BoxScores(inside, float(np.mean([bool((predicted & box).any()) for box in boxes])))


def box_overlap(box: tuple[float, float, float, float] | None, nerve: NDArray[np.bool_]) -> float | None:
    """IoU, 0..1, of a predicted ``box`` x, y, width, height with the hull of the true nerve ``(H, W)``.

    None where the network tells no box, or the frame holds no nerve.

    >>> nerve = np.zeros((8, 8), bool)
    >>> nerve[2:6, 0:4] = True
    >>> box_overlap((2, 2, 4, 4), nerve)
    0.3333333333333333
    """
    hull = measure(nerve, "nerve").box
    if box is None or hull is None:
        return None
    wide = max(0.0, min(box[0] + box[2], hull[0] + hull[2]) - max(box[0], hull[0]))
    high = max(0.0, min(box[1] + box[3], hull[1] + hull[3]) - max(box[1], hull[1]))
    return wide * high / (box[2] * box[3] + hull[2] * hull[3] - wide * high)


def truth_is_boxes(dataset: Dataset) -> bool:
    """Whether the masks of the data set are nothing but its boxes filled, judged on the first frames that have some."""
    boxed = [i for i, record in enumerate(dataset.records) if record.boxes][:LOOKED_AT]
    return bool(boxed) and all(isinstance(dataset.records[i].mask, FilledBoxes) or _is_union(dataset[i]) for i in boxed)


def _is_union(sample: Sample) -> bool:
    if sample.labels is None or sample.boxes is None:
        return False
    union = np.logical_or.reduce([box_mask(box, sample.frame.shape) for box in sample.boxes])
    return bool(((sample.labels == 1) == union).mean() > 0.999)
