"""Early filtering: the decoder runs on frames that may hold a nerve, and on no other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .engine import Engine

LUCK, ROUNDING = 0.05, 1e-12
FEW_GROUPS = 6  # fewer say little of the next one
DRAWS = 2000
ALONE = "size"  # what the encoder tells once for all frames


class EarlyFilter:
    """Runs the encoder of a network, and its decoder where presence reaches ``threshold``, 0..1.

    A frame below it answers with probabilities of 0 and a box of 0, and costs the encoder alone.
    """

    def __init__(self, encoder: Engine, decoder: Engine, threshold: float) -> None:
        self.encoder, self.decoder, self.threshold = encoder, decoder, threshold

    def run(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """What the whole graph answers for frames ``(N, 1, H, W)``, by the names of its outputs."""
        found = self.encoder.run({"frame": pixels})
        kept = self.passing(found["presence"])
        answers = {"presence": found["presence"]}
        for name, shape in self.decoder.outputs.items():
            channels = shape[1] or 0
            size = (channels, *pixels.shape[2:]) if len(shape) == 4 else (channels,)
            answers[name] = np.zeros((len(pixels), *size), np.float32)
        if len(kept):
            given = {name: found[name] if name == ALONE else found[name][kept] for name in self.decoder.inputs}
            for name, decoded in self.decoder.run(given).items():
                answers[name][kept] = decoded
        return answers

    def passing(self, presence: NDArray[np.float32]) -> NDArray[np.int64]:
        """Which frames are looked at whole, by place, from the presence ``(N,)`` of each."""
        return np.flatnonzero(presence >= self.threshold)


def threshold_for(presences: Sequence[Sequence[float]], sensitivity: float) -> float:
    """The highest threshold of which the tune part shows that the share ``sensitivity`` of nerves passes it.

    ``presences``: for each group of the tune part, as a subject, what the network says of its frames with a nerve. That
    few frames pass says little of others, so more of them must pass than by luck, in two ways. Frame by frame: were the
    true share any smaller, so few would be lost in 1 of 20 cases at most (a tolerance limit; Wilks, 1941,
    doi:10.1214/aoms/1177731788). Group by group: of 2,000 times that the groups are drawn anew with replacement, the
    share passes in 19 of 20; with two groups each must have it. Raises `InputError` where the frames are too few.

    >>> threshold_for([[0.9, 0.2, 0.8, 0.7, 0.95]], sensitivity=0.5)
    0.2
    """
    every = np.sort(np.concatenate([np.asarray(group, np.float64) for group in presences]))
    lost = min(_lost_frames(len(every), sensitivity), _lost_by_group(every, presences, sensitivity))
    return float(every[lost])


def _lost_frames(count: int, sensitivity: float) -> int:
    """How many of ``count`` independent frames may fail while they still show the share."""
    from scipy.special import bdtr  # a fifth of a second that a model without a filter need not wait for

    as_few = bdtr(np.arange(count + 1), count, 1 - sensitivity)  # how likely so few are lost, from 0 on
    lost = int((as_few <= LUCK + ROUNDING).sum()) - 1
    if lost < 0:
        raise InputError(
            f"--sensitivity {sensitivity}: there are {count} frames with a nerve to set it on, and so many can show at "
            f"most {math.floor(100 * LUCK ** (1 / count)) / 100:.2f}; ask for less, or train with a larger tune part"
        )
    return lost


def _lost_by_group(every: NDArray[np.float64], presences: Sequence[Sequence[float]], sensitivity: float) -> int:
    """The place in ``every``, ascending, of the highest threshold that the share passes whichever groups are drawn."""
    passing = np.array([(np.asarray(group)[:, None] >= every).sum(0) for group in presences], np.float64)
    draws = np.random.default_rng(0).multinomial(len(presences), np.full(len(presences), 1 / len(presences)), DRAWS)
    drawn = draws.astype(np.float64)  # whole numbers multiply as exactly, and sooner
    shares = (drawn @ passing) / (drawn @ passing[:, :1])  # every frame passes the lowest threshold
    enough = np.quantile(shares, LUCK, axis=0, method="lower") >= sensitivity - ROUNDING
    return int(np.flatnonzero(enough)[-1])
