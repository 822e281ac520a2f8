"""A refiner looks at a frame and at a coarse answer, and corrects it; with the coarse network it is one model."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..output import Output, SegmentationModel
from ..unet import UNet, UNetConfig

SUREST = 1e-5  # what a class, or the background, is given at least


class Refiner(nn.Module):
    """A U-Net on frame and class probabilities that answers what to add to the logits: at first nothing.

    ``width`` and ``depth`` as in `UNetConfig`; every frame is normalised by its own statistics. It works on single
    pixels, not on folded ones, for edges are what it is there to mend.

    >>> Refiner(classes=2)(torch.zeros(1, 1, 32, 48), torch.zeros(1, 2, 32, 48)).abs().max()
    tensor(0., grad_fn=<MaxBackward1>)
    """

    def __init__(self, classes: int, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        config = UNetConfig(width=width, depth=depth, norm="instance")
        self.network = UNet(config, classes, inputs=1 + classes)
        self.divisor = self.network.divisor
        nn.init.zeros_(self.network.head.weight)
        if self.network.head.bias is not None:
            nn.init.zeros_(self.network.head.bias)

    def forward(self, frames: Float[Tensor, "n 1 h w"], coarse: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The correction ``(N, C, H, W)`` of logits whose probabilities are ``coarse``, background left out."""
        correction: Tensor = self.network(torch.cat([frames, coarse], dim=1)).logits
        return correction


class Refined(SegmentationModel):
    """A coarse network, frozen, and a refiner of its answer: as a whole a network like any other.

    Presence, box and gates are the coarse network's.
    """

    def __init__(self, coarse: SegmentationModel, refiner: Refiner) -> None:
        super().__init__()
        self.coarse, self.refiner = coarse.requires_grad_(False).eval(), refiner
        self.divisor = math.lcm(coarse.divisor, refiner.divisor)
        self.heads = coarse.heads

    def forward(self, frames: Float[Tensor, "n 1 h w"], coarse: Float[Tensor, "n c h w"] | None = None) -> Output:
        """Answer a batch; H and W are multiples of ``divisor``.

        ``coarse``: probabilities to refine in place of those of the coarse network, which is then not asked.
        """
        if coarse is not None:
            return Output(logits=self._refine(frames, coarse))
        first = self.coarse(frames)
        logits = self._refine(frames, first.probabilities())
        return Output(logits=logits, presence=first.presence, box=first.box, gates=first.gates)

    def _refine(self, frames: Float[Tensor, "n 1 h w"], coarse: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """From probabilities alone, at run time too: in training there is nothing else to correct."""
        corrected: Tensor = logits_of(coarse) + self.refiner(frames, coarse)
        return corrected

    def train(self, mode: bool = True) -> Refined:
        """Train the refiner; the coarse network stays as it is at run time."""
        super().train(mode)
        self.coarse.eval()
        return self


def logits_of(coarse: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Logits beside a background of 0 whose probabilities are ``coarse``, at most about 11.5 either way."""
    background = 1 - coarse.sum(1, keepdim=True)
    return coarse.clamp(min=SUREST).log() - background.clamp(min=SUREST).log()
