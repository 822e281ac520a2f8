"""Whether probabilities mean what they say: of the pixels called 0.7, are seven in ten the nerve?

One class at a time, by its own probability (the class-wise error of Kull et al., NeurIPS 2019), since the winner's
would be the background's nearly everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Table = tuple[tuple[float, float, float], ...]
"""A reliability table as plain numbers, as a result of a frame is kept."""

BINS = 15
NEAR_OF_DIAGONAL = 0.02
SMALLEST = 1e-7  # a probability of 0 where the nerve is would cost infinitely much


@dataclass(frozen=True)
class FrameCalibration:
    """How sure one class was of one frame, beside the truth.

    ``everywhere``, ``near``: tables of `reliability` over all pixels, and over those within 2 % of the frame's
    diagonal of a true or predicted pixel of the class; the second is all 0 where there is none. ``brier``: mean squared
    error of the probability, 0..1. ``log_loss``: mean negative log-likelihood in nats. Both over all pixels.
    """

    everywhere: Table
    near: Table
    brier: float
    log_loss: float


def frame_calibration(probability: NDArray[np.float32], truth: Mask, predicted: Mask) -> FrameCalibration:
    """Hold the probability of one class ``(H, W)`` in 0..1 against its true mask; ``predicted`` is the mask made of it.

    Most of a frame is background that no network doubts, so an error over all pixels is small whatever happens at the
    nerve. That near it is the one to look at, but it is no pure measure of calibration: the pixels are chosen by the
    truth too, so a nerve that was missed counts as false certainty.
    """
    reach = NEAR_OF_DIAGONAL * float(np.hypot(*truth.shape))
    marked = truth | predicted
    near = np.zeros_like(truth)
    if marked.any():
        distance = cv2.distanceTransform((~marked).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        near = distance <= reach
    likely = probability.astype(np.float64).clip(SMALLEST, 1 - SMALLEST)
    return FrameCalibration(
        everywhere=_plain(reliability(probability, truth)),
        near=_plain(reliability(probability[near], truth[near])),
        brier=float(((probability - truth) ** 2).mean()),
        log_loss=float(-np.log(np.where(truth, likely, 1 - likely)).mean()),
    )


def _plain(table: Floats) -> Table:
    return tuple((float(share), float(likely), float(true)) for share, likely, true in table)


def reliability(probability: NDArray[np.float32], truth: Mask) -> Floats:
    """A table ``(15, 3)``: of the pixels in each fifteenth of 0..1 their share, mean probability and truth times share.

    The first column adds up to 1, so that tables of frames of any size may be added up and frames count alike. All 0
    for no pixels.

    >>> reliability(np.array([0.1, 0.1, 0.9], np.float32), np.array([False, False, True]))[-2].round(3).tolist()
    [0.333, 0.3, 0.333]
    """
    values, true = probability.ravel().astype(np.float64), truth.ravel()
    place = np.minimum((values * BINS).astype(np.intp), BINS - 1)
    columns = [np.bincount(place, weights, BINS) for weights in (None, values, true.astype(np.float64))]
    return np.asarray(np.stack(columns, axis=1) / max(1, len(values)), np.float64)


def calibration_error(tables: Floats) -> Floats:
    """Expected calibration error, 0..1, of sums of reliability tables ``(..., 15, 3)``; nan for no pixels.

    The mean distance between probability and frequency over the bins, weighted by their pixels (Guo et al., ICML 2017,
    equation 3). A few frames never fit exactly, so it is a little above 0 even of perfect probabilities.
    """
    share, likely, true = tables[..., 0], tables[..., 1], tables[..., 2]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(likely - true).sum(-1) / share.sum(-1), np.float64)
