"""A network that looks twice: at each frame, and at the frame mirrored left to right."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from .output import Output, SegmentationModel


class Mirrored(SegmentationModel):
    """Any network, which at run time answers with the mean logits of two looks; in training it looks once.

    Presence is the mean of both, and the box, mirrored back; gates are those of the first look. A network that could
    filter frames early answers whole.
    """

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
        logits, mirrored = both.logits.chunk(2)
        return Output(
            logits=(logits + mirrored.flip(-1)) / 2,
            presence=None if both.presence is None else torch.stack(both.presence.chunk(2)).mean(0),
            box=None if both.box is None else _mean_box(*both.box.chunk(2)),
            gates=tuple(gate.chunk(2)[0] for gate in both.gates),
        )

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Put the imported weights into the network."""
        self.network.load_pretrained(tensors)

    def learning_rates(self) -> dict[str, float]:
        """Those of the network."""
        return {f"network.{name}": factor for name, factor in self.network.learning_rates().items()}

    def thaw(self, done: float) -> None:
        """Freeze or free what the network freezes."""
        self.network.thaw(done)


def _mean_box(box: Float[Tensor, "n 4"], mirrored: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    x, rest = mirrored[:, :1], mirrored[:, 1:]
    return (box + torch.cat([1 - x, rest], dim=1)) / 2
