"""Answers about the same frames, their mean, and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

TINY = np.float32(1e-12)  # below it a probability adds nothing to an entropy


@dataclass(frozen=True)
class Answer:
    """What a graph says of N frames of one size.

    ``probabilities``: ``(N, C, H, W)``. ``presence``: ``(N,)``, ``box``: ``(N, 4)`` cxcywh in 0..1 of the frame, None
    without a head for it. ``disagreement``: ``(N, H, W)`` in 0..1, ``agreement``: ``(N, C)`` in 0..1, as `agreement`
    tells it, both None where one network looked once.
    """

    probabilities: Floats
    presence: Floats | None
    disagreement: Floats | None
    box: Floats | None = None
    agreement: Floats | None = None

    def mirrored(self) -> Answer:
        """The answer for the frames mirrored left to right."""
        spread = None if self.disagreement is None else self.disagreement[..., ::-1]
        box = None if self.box is None else np.abs(self.box - np.array([1, 0, 0, 0], np.float32))
        return Answer(self.probabilities[..., ::-1], self.presence, spread, box, self.agreement)

    def of(self, places: Places) -> Answer:
        """The answer for these of the frames."""
        parts = (self.presence, self.disagreement, self.box, self.agreement)
        return Answer(self.probabilities[places], *(None if part is None else part[places] for part in parts))

    def put(self, places: Places, other: Answer) -> None:
        """Take over what ``other``, which tells as much, says of these of the frames."""
        self.probabilities[places] = other.probabilities
        pairs = (
            (self.presence, other.presence),
            (self.disagreement, other.disagreement),
            (self.box, other.box),
            (self.agreement, other.agreement),
        )
        for own, told in pairs:
            if own is not None and told is not None:
                own[places] = told


def stacked(answers: Sequence[Answer]) -> Answer:
    """Answers for frames of one size as one answer for all of them; each tells as much as the first."""
    return Answer(
        np.concatenate([answer.probabilities for answer in answers]),
        _together([answer.presence for answer in answers]),
        _together([answer.disagreement for answer in answers]),
        _together([answer.box for answer in answers]),
        _together([answer.agreement for answer in answers]),
    )


def _together(parts: Sequence[Floats | None]) -> Floats | None:
    told = [part for part in parts if part is not None]
    return np.concatenate(told) if told else None


def mean_of(answers: Sequence[Answer]) -> Answer:
    """The mean of several looks at the same frames; a single one is returned as it is.

    The disagreement is the mutual information between the label and whoever answered: the entropy of the mean minus
    the mean entropy of the answers (Smith and Gal, UAI 2018), as a share of the largest entropy that
    C + 1 labels have. The looks' own disagreement is part of it: an ensemble that looks twice counts as twice as many.
    """
    if len(answers) == 1:
        return answers[0]
    probabilities = np.mean([answer.probabilities for answer in answers], axis=0)
    within = np.mean([_entropy_of_members(answer) for answer in answers], axis=0)
    presence = [answer.presence for answer in answers if answer.presence is not None]
    boxes = [answer.box for answer in answers if answer.box is not None]
    return Answer(
        np.asarray(probabilities, np.float32),
        np.asarray(np.mean(presence, axis=0), np.float32) if presence else None,
        np.maximum(entropy(probabilities) - within, np.float32(0)),
        np.asarray(np.mean(boxes, axis=0), np.float32) if boxes else None,
        _agreement_of(answers),
    )


def _agreement_of(answers: Sequence[Answer]) -> Floats:
    """That between the answers, or that within them, where it is less: both are reasons to doubt."""
    between = agreement([answer.probabilities for answer in answers])
    within = [answer.agreement for answer in answers if answer.agreement is not None]
    return np.minimum(between, np.mean(within, axis=0, dtype=np.float32)) if within else between


def agreement(looks: Sequence[Floats]) -> Floats:
    """How far the masks of several looks at the same frames agree: the mean Dice of all pairs, by class ``(N, C)``.

    ``looks``: probabilities ``(N, C, H, W)`` of each. A pixel gets the likeliest class where all together are likelier
    than the background; nan where neither of a pair marks anything. Where looks at one frame find different things, few
    of them can be right (as of samples of one network: Roy et al., Bayesian QuickNAT, 2018).
    """
    pairs = []
    for one, other in combinations([_masks(look) for look in looks], 2):
        both, each = (one & other).sum((2, 3)), one.sum((2, 3)) + other.sum((2, 3))
        pairs.append(np.where(each == 0, np.nan, 2 * both / np.maximum(each, 1)))
    return np.asarray(np.mean(pairs, axis=0), np.float32)


def _masks(probabilities: Floats) -> NDArray[np.bool_]:
    """What each class marks, ``(N, C, H, W)``, as `sononerve.runtime.postprocess.label_map` marks it."""
    likeliest = probabilities.argmax(1)[:, None] == np.arange(probabilities.shape[1])[:, None, None]
    return np.asarray(likeliest & (probabilities.sum(1, keepdims=True) > 0.5))


def entropy(probabilities: Floats) -> Floats:
    """Entropy ``(N, H, W)`` of the labels, background included, as a share of the largest: 0..1.

    ``probabilities``: ``(N, C, H, W)``, background left out.
    """
    background = np.maximum(1 - probabilities.sum(1, keepdims=True), np.float32(0))
    labels = np.concatenate([background, probabilities], axis=1)
    return np.asarray(np.abs((labels * np.log(np.maximum(labels, TINY))).sum(1)) / np.log(labels.shape[1]), np.float32)


def _entropy_of_members(answer: Answer) -> Floats:
    """The mean entropy of the networks behind an answer, which its disagreement was subtracted from."""
    whole = entropy(answer.probabilities)
    return whole if answer.disagreement is None else whole - answer.disagreement
