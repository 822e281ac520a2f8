"""A network that looks twice: at each frame, and at the frame mirrored left to right."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from .output import Output, SegmentationModel, probabilities

PREFIX = "network."
"""What stands before the names of a mirrored network's parameters."""


def renamed(name: str, was_mirrored: bool, is_mirrored: bool) -> str:
    """The name that a parameter of a network has where it is `Mirrored`, or is so no more.

    >>> renamed("network.head.bias", was_mirrored=True, is_mirrored=False)
    'head.bias'
    """
    own = name.removeprefix(PREFIX) if was_mirrored else name
    return PREFIX + own if is_mirrored else own


class Mirrored(SegmentationModel):
    """Any network, which at run time answers with the mean logits of two looks; in training it looks once.

    Presence is the mean of both, and the box, mirrored back; gates are those of the first look. How far the looks agree
    is told as `sononerve.runtime.answer.agreement` does. A network that could filter frames early answers whole.
    """

    agrees = True

    def __init__(self, network: SegmentationModel) -> None:
        super().__init__()
        self.network = network
        self.divisor, self.heads = network.divisor, network.heads
        self.pretrained, self.frozen_share = network.pretrained, network.frozen_share

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """Answer a batch; H and W are multiples of ``divisor``."""
        if self.training:
            once: Output = self.network(frames)
            return once
        both: Output = self.network(torch.cat([frames, frames.flip(-1)]))
        n = frames.shape[0]  # a chunk would be exported for one N alone
        mirrored = both.logits[n:].flip(-1)
        return Output(
            logits=(both.logits[:n] + mirrored) / 2,
            presence=None if both.presence is None else (both.presence[:n] + both.presence[n:]) / 2,
            box=None if both.box is None else _mean_box(both.box[:n], both.box[n:]),
            gates=tuple(gate[:n] for gate in both.gates),
            agreement=_agreement(both.logits[:n], mirrored),
        )

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Put the imported weights into the network."""
        self.network.load_pretrained(tensors)

    def learning_rates(self) -> dict[str, float]:
        """Those of the network."""
        return {PREFIX + name: factor for name, factor in self.network.learning_rates().items()}

    def thaw(self, done: float) -> None:
        """Freeze or free what the network freezes."""
        self.network.thaw(done)


def _agreement(first: Float[Tensor, "n c h w"], second: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
    """The Dice of each class between what two looks mark; nan where neither marks anything."""
    one, other = _masks(first), _masks(second)
    return 2 * (one * other).sum((2, 3)) / (one.sum((2, 3)) + other.sum((2, 3)))


def _masks(logits: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
    likeliest = logits.argmax(1, keepdim=True) == classes
    return (likeliest & (probabilities(logits).sum(1, keepdim=True) > 0.5)).float()


def _mean_box(box: Float[Tensor, "n 4"], mirrored: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    x, rest = mirrored[:, :1], mirrored[:, 1:]
    return (box + torch.cat([1 - x, rest], dim=1)) / 2
