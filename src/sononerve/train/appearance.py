"""What the frames of a training look like, learned from them, and from when on another is unlike them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..runtime.appearance import LOOKS, Appearance, distances, look_of

MOST_FRAMES = 500  # that are looked at, evenly spread
FOLDS, FEWEST_GROUPS = 5, 5
USUAL = 0.95  # of left-out frames are nearer than half of the limit
MARGIN = 2.0
FLOOR = 1e-4  # of a feature's variance: all frames may be alike in it


def learn_appearance(fitted: Dataset, groups: Sequence[str]) -> Appearance | None:
    """What ``fitted`` frames look like; ``groups``: the subject or cluster of each. None for fewer than five groups.

    A frame is strange at twice the distance within which 95 % of the frames are, each measured by the frames of the
    other groups (Lee et al., NeurIPS 2018, arXiv:1807.03888, on a few looks in place of a network's features).
    """
    chosen = np.unique(np.linspace(0, len(fitted) - 1, min(len(fitted), MOST_FRAMES)).round().astype(int))
    names = sorted({groups[i] for i in chosen})
    if len(names) < FEWEST_GROUPS:
        return None
    looks = np.stack([look_of(fitted[int(i)].frame.pixels) for i in chosen])
    fold = np.array([names.index(groups[i]) % FOLDS for i in chosen])
    left_out = np.concatenate([distances(looks[fold == k], *_fit(looks[fold != k])) for k in range(FOLDS)])
    mean, inverse = _fit(looks)
    limit = MARGIN * float(np.quantile(left_out, USUAL))
    return Appearance(
        mean=tuple(mean.tolist()), inverse=tuple(tuple(row) for row in inverse.tolist()), limit=max(limit, FLOOR)
    )


def _fit(looks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and inverse covariance; of few frames the covariance is drawn to its diagonal."""
    covariance = np.cov(looks.T)
    alone = np.diag(np.diag(covariance) + FLOOR)
    shrink = LOOKS / (LOOKS + len(looks))
    return looks.mean(0), np.asarray(np.linalg.inv((1 - shrink) * covariance + shrink * alone), np.float64)
