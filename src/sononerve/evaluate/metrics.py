"""Scores of one frame and class: overlap, contour distances, and what is defined on a frame without the class.

A frame whose truth is empty answers one question only, whether something was predicted where nothing is. So its Dice,
IoU, precision, recall and distances are None, never 1 and never NaN: they are not averaged away, and they cannot hide a
false positive (MONAI issues 4160 and 9095, nnU-Net issue 2847).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot, isfinite

import numpy as np
import surface_distance
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import rankdata
from surface_distance import lookup_tables

from ..frame import Spacing, measure

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

TOLERANCE_MM = 1.0
TOLERANCE_OF_DIAGONAL = 0.01
PERCENT = 95.0
ROUNDING = 1e-9  # 3 pixels of 0.1 mm are 0.30000000000000004 mm, and within 0.3 mm all the same; so with 95 %

# The library has no types; these are its own. Its compute_surface_distances is left out: it sorts in Python, transforms
# the whole joint box, and reaches NumPy and SciPy through names that NumPy 2 removed and SciPy 2 will.
Distances = dict[str, Floats]
_length_table: Callable[[Spacing], Floats] = lookup_tables.create_table_neighbour_code_to_contour_length
_robust_hausdorff: Callable[[Distances, float], float] = surface_distance.compute_robust_hausdorff
_surface_dice: Callable[[Distances, float], float] = surface_distance.compute_surface_dice_at_tolerance


@dataclass(frozen=True)
class FrameScores:
    """The scores of one class on one frame.

    Distances are in mm where the spacing is known, else in pixels. None means: not defined on this frame.

    ``dice``, ``iou``, ``precision``, ``recall``, ``surface_dice``: 0..1, None where the truth is empty; 0 where nothing
    was predicted on a frame that has the class, precision included (0 of 0 pixels right is a miss, not a success).
    ``accuracy``: 0..1, share of all pixels that are right; always defined, and near 1 on any small structure.
    ``outside``: 0..1, share of the pixels outside of the truth that are marked, the false-positive rate by pixel; None
    only where the truth covers the whole frame.
    ``hd95``: the larger of the two directed 95th percentiles of contour distance, weighted by contour length.
    ``mean_distance``: mean symmetric surface distance: every piece of either contour has its distance to the other
    contour; the mean over both together, weighted by length (Heimann et al., IEEE TMI 2009).
    A miss costs the diagonal of the frame in both, the largest distance that the frame can hold.
    ``surface_dice``: share of both contours that lies within the tolerance of the other (Nikolov et al., JMIR 2021).
    ``kaggle``: Dice, and 1 where truth and prediction are both empty; always defined.
    ``false_positive``: on a frame whose truth is empty, whether anything was predicted; None on all others.
    ``truth_area``, ``predicted_area``: in pixels.
    """

    dice: float | None
    iou: float | None
    accuracy: float
    precision: float | None
    recall: float | None
    outside: float | None
    hd95: float | None
    mean_distance: float | None
    surface_dice: float | None
    kaggle: float
    false_positive: bool | None
    truth_area: int
    predicted_area: int


def score_frame(
    truth: Mask, predicted: Mask, spacing_mm: Spacing | None, tolerance: float | None = None
) -> FrameScores:
    """Score the predicted mask of one class against the true one, at the size of the frame.

    ``truth``, ``predicted``: bool ``(H, W)``. ``spacing_mm``: mm per pixel (row, column), None where unknown.
    ``tolerance`` of surface Dice: in mm where the spacing is known, else in pixels; None is 1 mm, or 1 % of the
    diagonal of the frame. The border of the image closes a contour that runs into it. Raises ValueError for masks that
    are not bool, not ``(H, W)``, of different sizes or without pixels, and for a spacing or tolerance out of range.

    >>> mask = np.zeros((4, 4), bool)
    >>> mask[1:3, 1:3] = True
    >>> score_frame(mask, mask, None).dice, score_frame(mask, ~mask, None).dice
    (1.0, 0.0)
    >>> empty = score_frame(mask & ~mask, mask, None)
    >>> empty.dice, empty.kaggle, empty.false_positive
    (None, 0.0, True)
    """
    _check_masks(truth, predicted)
    row_mm, column_mm = (1.0, 1.0) if spacing_mm is None else spacing_mm
    if not all(isfinite(v) and v > 0 for v in (row_mm, column_mm)):
        raise ValueError(f"spacing is {spacing_mm}; expected two positive numbers in mm")
    diagonal = hypot(truth.shape[0] * row_mm, truth.shape[1] * column_mm)
    if tolerance is None:
        tolerance = TOLERANCE_OF_DIAGONAL * diagonal if spacing_mm is None else TOLERANCE_MM
    if not (isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance is {tolerance}; expected a number of at least 0")

    area, found = int(np.count_nonzero(truth)), int(np.count_nonzero(predicted))
    both = int(np.count_nonzero(truth & predicted))
    accuracy = 1.0 - (area + found - 2 * both) / truth.size
    outside = None if area == truth.size else (found - both) / (truth.size - area)
    if area == 0:
        empty = float(found == 0)
        return FrameScores(None, None, accuracy, None, None, outside, None, None, None, empty, found > 0, area, found)
    if found == 0:
        return FrameScores(0.0, 0.0, accuracy, 0.0, 0.0, outside, diagonal, diagonal, 0.0, 0.0, None, area, found)
    dice = 2 * both / (area + found)
    hd95, mean_distance, surface_dice = _compare_contours(truth, predicted, (row_mm, column_mm), tolerance)
    return FrameScores(
        dice=dice,
        iou=both / (area + found - both),
        accuracy=accuracy,
        precision=both / found,
        recall=both / area,
        outside=outside,
        hd95=hd95,
        mean_distance=mean_distance,
        surface_dice=surface_dice,
        kaggle=dice,
        false_positive=None,
        truth_area=area,
        predicted_area=found,
    )


def presence_auroc(scores: Sequence[float] | NDArray[np.floating], present: Sequence[bool] | Mask) -> float | None:
    """Tell how well a score separates frames with the class from frames without: the area under the ROC curve.

    ``scores``: ``(n,)``, any scale, higher means present. ``present``: bool ``(n,)``. The result, 0..1, is the chance
    that a frame with the class scores above one without, ties counting half (Mann and Whitney 1947; Hanley and McNeil
    1982); None where all frames are of one kind. Raises ValueError for lengths that differ and for a score that is NaN.

    >>> presence_auroc([0.1, 0.4, 0.4, 0.9], [False, False, True, True])
    0.875
    """
    score, positive = np.asarray(scores, np.float64), np.asarray(present, np.bool_)
    if score.ndim != 1 or score.shape != positive.shape:
        raise ValueError(f"scores are {score.shape}, present is {positive.shape}; expected two of the same length")
    if np.isnan(score).any():
        raise ValueError(f"score {int(np.isnan(score).argmax())} is NaN; expected numbers")
    with_class = int(np.count_nonzero(positive))
    without = len(score) - with_class
    if with_class == 0 or without == 0:
        return None
    ranks = float(rankdata(score)[positive].sum())
    return (ranks - with_class * (with_class + 1) / 2) / (with_class * without)


def centroid_distance(truth: Mask, predicted: Mask, spacing_mm: Spacing | None) -> float | None:
    """Distance of the centroids of two masks ``(H, W)``, in mm where the spacing is known, else in pixels.

    None where one of them is empty.

    >>> one, other = np.eye(3, dtype=bool)[0][None], np.eye(3, dtype=bool)[2][None]
    >>> centroid_distance(one, other, (0.1, 0.2))
    0.4
    """
    first, second = measure(truth, "").centroid, measure(predicted, "").centroid
    if first is None or second is None:
        return None
    row_mm, column_mm = (1.0, 1.0) if spacing_mm is None else spacing_mm
    return hypot((first[0] - second[0]) * column_mm, (first[1] - second[1]) * row_mm)


def _check_masks(truth: Mask, predicted: Mask) -> None:
    for name, mask in (("truth", truth), ("predicted", predicted)):
        if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
            raise ValueError(f"the {name} mask is {mask.dtype} {mask.shape}; expected bool (H, W) with pixels")
    if truth.shape != predicted.shape:
        raise ValueError(
            f"the true mask is {truth.shape}, the predicted one {predicted.shape} (rows, columns); "
            "expected the same size"
        )


def _compare_contours(truth: Mask, predicted: Mask, spacing: Spacing, tolerance: float) -> tuple[float, float, float]:
    """HD95, mean symmetric distance and surface Dice of two masks that are not empty."""
    (a, a_lengths), (b, b_lengths) = _contour(truth, spacing), _contour(predicted, spacing)
    to_predicted, to_truth = np.asarray(cKDTree(b).query(a)[0]), np.asarray(cKDTree(a).query(b)[0])
    by_distance, back = np.lexsort((a_lengths, to_predicted)), np.lexsort((b_lengths, to_truth))
    found = {
        "distances_gt_to_pred": to_predicted[by_distance],
        "distances_pred_to_gt": to_truth[back],
        "surfel_areas_gt": a_lengths[by_distance],
        "surfel_areas_pred": b_lengths[back],
    }
    hd95 = float(_robust_hausdorff(found, PERCENT * (1 - ROUNDING)))
    mean_distance = float((to_predicted @ a_lengths + to_truth @ b_lengths) / (a_lengths.sum() + b_lengths.sum()))
    return hd95, mean_distance, float(_surface_dice(found, tolerance * (1 + ROUNDING)))


def _contour(mask: Mask, spacing: Spacing) -> tuple[Floats, Floats]:
    """Pixel corners ``(n, 2)`` that the contour passes, in the unit of the spacing, and its length ``(n,)`` there."""
    pixels = np.pad(mask, 1).view(np.uint8)
    codes = 8 * pixels[:-1, :-1] + 4 * pixels[:-1, 1:] + 2 * pixels[1:, :-1] + pixels[1:, 1:]
    rows, columns = np.nonzero((codes > 0) & (codes < 15))
    points = np.column_stack([rows * spacing[0], columns * spacing[1]])
    return points, _length_table(spacing)[codes[rows, columns]]
