"""Early filtering: the decoder runs on frames that may hold a nerve, and on no other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from scipy.stats import binom

from ..errors import InputError

LUCK, ROUNDING = 0.05, 1e-12
ALONE = "size"  # what the encoder tells once for all frames


class EarlyFilter:
    """Runs the encoder of a network, and its decoder where presence reaches ``threshold``, 0..1.

    A frame below it answers with probabilities of 0 and a box of 0, and costs the encoder alone.
    """

    def __init__(self, encoder: ort.InferenceSession, decoder: ort.InferenceSession, threshold: float) -> None:
        self.encoder, self.decoder, self.threshold = encoder, decoder, threshold

    def run(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """What the whole graph answers for frames ``(N, 1, H, W)``, by the names of its outputs."""
        names = [output.name for output in self.encoder.get_outputs()]
        found = dict(zip(names, self.encoder.run(None, {"frame": pixels}), strict=True))
        kept = np.flatnonzero(found["presence"] >= self.threshold)
        needed = [given.name for given in self.decoder.get_inputs()]
        answers = {"presence": found["presence"]}
        for output in self.decoder.get_outputs():
            shape = (len(pixels), output.shape[1], *pixels.shape[2:]) if len(output.shape) == 4 else (len(pixels), 4)
            answers[output.name] = np.zeros(shape, np.float32)
        if len(kept):
            given = {name: found[name] if name == ALONE else found[name][kept] for name in needed}
            for output, decoded in zip(self.decoder.get_outputs(), self.decoder.run(None, given), strict=True):
                answers[output.name][kept] = decoded
        return answers


def threshold_for(presences: Sequence[float], sensitivity: float) -> float:
    """The highest threshold of which the tune part shows that the share ``sensitivity`` of nerves passes it.

    ``presences``: what the network says of each frame of the tune part that holds a nerve. That few frames pass says
    little of others, so more of them must pass than by luck: were the true share any smaller, so few would be lost in 1
    of 20 cases at most (a tolerance limit; Wilks, 1941, doi:10.1214/aoms/1177731788). Frames count as if they were
    independent. Raises `InputError` where they are too few to show such a share.

    >>> threshold_for([0.9, 0.2, 0.8, 0.7, 0.95], sensitivity=0.5)
    0.2
    """
    count = len(presences)
    lost = int(binom.ppf(LUCK, count, 1 - sensitivity))
    while lost >= 0 and binom.cdf(lost, count, 1 - sensitivity) > LUCK + ROUNDING:
        lost -= 1
    if lost < 0:
        raise InputError(
            f"--sensitivity {sensitivity}: the tune part holds {count} frames with a nerve, and so many can show at "
            f"most {LUCK ** (1 / count):.2f}; ask for less, or train with a larger tune part"
        )
    return sorted(presences)[lost]
