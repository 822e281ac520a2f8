"""What every model returns, and what every model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Head = Literal["presence", "box"]


@dataclass
class Output:
    """The answer of a model for a batch of N frames; C counts the classes without the background.

    ``logits`` ``(N, C, H, W)``: softmax over (0, logits), with C = 1 the sigmoid. ``presence`` ``(N,)``: logits of a
    nerve being in the frame. ``box`` ``(N, 4)``: cxcywh in 0..1. ``deeper``: logits of coarser decoder levels, finest
    first, each ``(N, C, H/s, W/s)`` with some whole s, for deep supervision; only in training. ``gates``: how far
    each skip is open, 0..1, finest first, each ``(N, 1, H/s, W/s)``, of networks that have gates. ``agreement``
    ``(N, C)``: the Dice of each class between looks, 0..1, of networks that look several times.
    """

    logits: Float[Tensor, "n c h w"]
    presence: Float[Tensor, " n"] | None = None
    box: Float[Tensor, "n 4"] | None = None
    deeper: tuple[Float[Tensor, "n c _h _w"], ...] = ()
    gates: tuple[Float[Tensor, "n 1 _h _w"], ...] = ()
    agreement: Float[Tensor, "n c"] | None = None

    def probabilities(self) -> Float[Tensor, "n c h w"]:
        """Probability of each class, background left out, ``(N, C, H, W)`` in 0..1."""
        return probabilities(self.logits)


def probabilities(logits: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Softmax over (0, logits): the background's logit is 0 by definition."""
    return torch.softmax(with_background(logits), dim=1)[:, 1:]


def with_background(logits: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c+1 h w"]:
    """Put the background's zero logit in front: what a cross-entropy over C + 1 labels takes."""
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)


class SegmentationModel(nn.Module, ABC):
    """Base of all architectures: a normalised batch ``(N, 1, H, W)`` in, an `Output` out.

    ``divisor``: H and W must be multiples of it. ``heads``: what it answers beside the mask. ``pretrained``: the name
    of the imported weights it begins with, None for a random beginning. ``frozen_share``: for so much of the training,
    0..1, some of its parameters stay as they are. ``agrees``: whether it tells how far several looks agree.
    """

    divisor: int = 1
    heads: tuple[Head, ...] = ()
    pretrained: str | None = None
    frozen_share: float = 0.0
    agrees: bool = False

    @abstractmethod
    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """Answer a batch; H and W are multiples of ``divisor``."""

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the imported weights called ``pretrained``; raise `ValueError` where they do not fit."""

    def learning_rates(self) -> dict[str, float]:
        """A factor on the learning rate for each parameter that has one, by its name; 1 for all others."""
        return {}

    def thaw(self, done: float) -> None:
        """Freeze or free parameters, where ``done`` of the training, 0..1, is over."""


@dataclass
class Encoded:
    """What a `FilteringModel` knows before its decoder runs.

    ``skips``: features of each level but the last, finest first. ``features``: those of the last, with context.
    ``token``: the class token ``(N, D)``. ``presence`` and ``box``: as in `Output`.
    """

    skips: tuple[Float[Tensor, "n _c _h _w"], ...]
    features: Float[Tensor, "n _c _h _w"]
    token: Float[Tensor, "n _d"]
    presence: Float[Tensor, " n"] | None
    box: Float[Tensor, "n 4"] | None


class FilteringModel(SegmentationModel):
    """A network that judges presence before its decoder runs, so that frames without a nerve need no decoder."""

    @abstractmethod
    def encode(self, frames: Float[Tensor, "n 1 h w"]) -> Encoded:
        """All but the mask."""

    @abstractmethod
    def decode(self, encoded: Encoded) -> Output:
        """The mask, from what `encode` found."""

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """Answer a batch whole."""
        return self.decode(self.encode(frames))
