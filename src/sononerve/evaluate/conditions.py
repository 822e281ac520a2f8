"""What a frame is like where the class lies: the conditions under which a model may do well or fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .calibration import NEAR_OF_DIAGONAL
from .statistics import Interval, bootstrap_interval, rank_correlation

Mask = NDArray[np.bool_]

PARTS = 3


@dataclass(frozen=True)
class Conditions:
    """One class on one frame that holds it, by its true mask.

    ``size``: share of the frame, 0..1. ``depth``: row of its centroid, 0 at the top and 1 at the bottom.
    ``off_centre``: distance of the centroid's column from the middle, 0 there and 1 at the sides. ``brightness``: mean
    grey, 0..1. ``contrast``: distance of the mean greys inside and around, divided by the root of the sum of their
    variances (the contrast-to-noise ratio; Patterson and Foster, Ultrasonic Imaging 1983). ``sharpness``: variance of
    the Laplacian divided by that of the greys, low where the picture is blurred. "Around" are the pixels within 2 % of
    the frame's diagonal outside of the class; brightness and sharpness are of both. Contrast is 0 where inside and
    around are one grey or nothing is around, sharpness where all greys are equal.
    """

    size: float
    depth: float
    off_centre: float
    brightness: float
    contrast: float
    sharpness: float


@dataclass(frozen=True)
class Part:
    """A third of the frames, those with a condition in ``lowest..highest``, and their Dice."""

    lowest: float
    highest: float
    dice: Interval


@dataclass(frozen=True)
class Dependence:
    """How Dice goes with one condition: ``correlation`` by rank, None where either is constant; and by thirds."""

    correlation: Interval | None
    parts: tuple[Part, ...]


def frame_conditions(pixels: NDArray[np.uint8], truth: Mask) -> Conditions | None:
    """The conditions of a class with the true mask ``(H, W)`` on a frame of ``pixels`` ``(H, W)``; None without it."""
    if not truth.any():
        return None
    height, width = truth.shape
    distance = cv2.distanceTransform((~truth).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near = distance <= NEAR_OF_DIAGONAL * float(np.hypot(height, width))
    grey = pixels.astype(np.float64)
    inside, around, both = grey[truth], grey[near & ~truth], grey[near]
    rows, columns = np.nonzero(truth)
    noise = np.sqrt(inside.var() + around.var()) if len(around) else 0.0
    laplacian = cv2.Laplacian(pixels, cv2.CV_64F)[near]
    return Conditions(
        size=float(truth.mean()),
        depth=float((rows.mean() + 0.5) / height),
        off_centre=float(abs((columns.mean() + 0.5) / width - 0.5) * 2),
        brightness=float(both.mean() / 255),
        contrast=float(abs(inside.mean() - around.mean()) / noise) if noise else 0.0,
        sharpness=float(laplacian.var() / both.var()) if both.var() else 0.0,
    )


def depend(dice: Sequence[float], condition: Sequence[float], groups: Sequence[str]) -> Dependence:
    """How ``dice`` goes with ``condition``, one of each per frame; ``groups``: the subject of each.

    The frames are cut into thirds by the condition, as even as can be; fewer than three frames are one part.
    """
    order = np.argsort(condition, kind="stable")
    places = [part for part in np.array_split(order, PARTS if len(order) >= PARTS else 1) if len(part)]
    parts = []
    for part in places:
        values = [condition[i] for i in part]
        found = bootstrap_interval([dice[i] for i in part], [groups[i] for i in part])
        parts.append(Part(min(values), max(values), found))
    return Dependence(rank_correlation(dice, condition, groups), tuple(parts))
