"""From probabilities to labels: the one place where a pixel is called nerve, in evaluation and at run time alike."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..frame import Area

Share = Annotated[float, Field(ge=0, le=1)]
Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]

ONE_BY_ONE = 8  # neighbours that join pixels to a piece


class ClassRules(BaseModel):
    """What is done to the mask of one class.

    ``least_area``: pieces smaller than this share of the frame are removed. ``largest``: so are all but the largest.
    ``fill_holes``: background that the class surrounds becomes the class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    least_area: Share = 0.0
    largest: bool = False
    fill_holes: bool = False


AS_FOUND = ClassRules()


class PostProcess(BaseModel):
    """How labels are made of probabilities; the plain one is the likeliest class where all together reach a half.

    ``threshold``: what the classes together must exceed. ``presence``: in a frame with less the first class, the nerve,
    is left out; other classes stay, for presence says nothing of them.
    ``blur``: probabilities are smoothed first, by a Gaussian of this share of the frame's longer side. ``classes``:
    the rules of each, in order; none where all are left as they are found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    threshold: float = Field(default=0.5, gt=0, lt=1)
    presence: Share = 0.0
    blur: float = Field(default=0.0, ge=0, le=0.1)
    classes: tuple[ClassRules, ...] = ()

    def labels(self, probabilities: Floats, presence: float = 1.0, seen: tuple[int, int] | None = None) -> Labels:
        """Labels uint8 ``(H, W)`` from ``probabilities`` ``(C, H, W)`` and the frame's ``presence``, 0..1.

        ``seen``: what "the frame" is for blur and areas, (H, W): a tile, where that is what the network saw.
        """
        height, width = seen or probabilities.shape[1:]
        labels = label_map(blurred(probabilities, self.blur * max(height, width)), self.threshold)
        for label, rules in enumerate(self.classes, start=1):
            if rules != AS_FOUND:
                apply_rules(labels, label, rules, height * width)
        if presence < self.presence:
            labels[labels == 1] = 0
        return labels

    @property
    def told(self) -> tuple[str, ...]:
        """In words, what is other than plain."""
        said = {
            f"threshold {self.threshold:g}": self.threshold != PLAIN.threshold,
            f"label 1 left out of frames of presence below {self.presence:g}": self.presence > 0,
            f"probabilities blurred by {self.blur:g} of the longer side": self.blur > 0,
        }
        for label, rules in enumerate(self.classes, start=1):
            small = f"label {label}: pieces below {rules.least_area:.2%} of the frame removed"
            said |= {
                f"label {label}: largest piece alone": rules.largest,
                small: rules.least_area > 0,
                f"label {label}: holes filled": rules.fill_holes,
            }
        return tuple(words for words, holds in said.items() if holds)


PLAIN = PostProcess()


def label_map(probabilities: Floats, threshold: float = 0.5) -> Labels:
    """Labels ``(H, W)`` from probabilities ``(C, H, W)``: the likeliest class where all together exceed ``threshold``.

    With one class and 0.5 this is the usual rule.
    """
    labels = np.zeros(probabilities.shape[1:], np.uint8)
    total = probabilities.sum(0) if len(probabilities) > 1 else probabilities[0]
    area = Area.above(total, threshold)
    if area is None:
        return labels
    window, found = labels[area.slices], probabilities[:, *area.slices]
    window[...], most = 1, found[0]
    for number, other in enumerate(found[1:], start=2):
        window[other > most] = number
        most = np.maximum(most, other)
    window[~(total[area.slices] > threshold)] = 0
    return labels


def blurred(probabilities: Floats, sigma: float) -> Floats:
    """Probabilities ``(C, H, W)`` smoothed by a Gaussian of ``sigma`` pixels; 0 changes nothing."""
    if sigma < 0.1:
        return probabilities
    return np.stack([cv2.GaussianBlur(one, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for one in probabilities])


def apply_rules(labels: Labels, label: int, rules: ClassRules, whole: int) -> None:
    """Change ``labels`` ``(H, W)`` in place, as the rules of the class ``label`` say; ``whole``: the frame's pixels."""
    inside = (labels == label).astype(np.uint8)
    rows = np.flatnonzero(inside.any(1))
    if not len(rows):
        return
    window = labels[rows[0] : rows[-1] + 1]  # a view: what lies above and below is not looked at
    inside = inside[rows[0] : rows[-1] + 1]
    count, pieces, found, _ = cv2.connectedComponentsWithStats(inside, connectivity=ONE_BY_ONE)
    areas = found[:, cv2.CC_STAT_AREA]
    kept = areas >= rules.least_area * whole
    kept[0] = False
    if rules.largest and count > 1:
        kept &= np.arange(count) == 1 + areas[1:].argmax()
    stays = kept[pieces]
    window[(inside > 0) & ~stays] = 0
    if rules.fill_holes and kept.any():
        window[_holes(stays) & (window == 0)] = label


def _holes(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pixels outside of a mask ``(H, W)`` cannot be reached from its border."""
    around = cv2.copyMakeBorder((~inside).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, pieces = cv2.connectedComponents(around, connectivity=4)  # a hole is closed where pixels touch at corners
    return np.asarray((pieces != pieces[0, 0])[1:-1, 1:-1] & ~inside)
