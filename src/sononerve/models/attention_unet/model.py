"""Attention U-Net after Oktay et al., 2018 (arXiv:1804.03999): additive gates on the skips of a U-Net."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..output import Output
from ..unet import UNet, UNetConfig

OPEN_AT_FIRST = 2.0
"""The logit of a fresh gate, 0.88 of the skip: five skips of one half, in the features and in their gradients, would
begin far from the U-Net that the gates are compared with, and a gate that is quite open learns nothing."""


class AttentionUNetConfig(UNetConfig):
    """Settings of an `AttentionUNet`: those of a `UNet`, and ``gates``; without them it is that `UNet`."""

    gates: bool = True


class AttentionGate(nn.Module):
    """How far a skip is open at each place, from what it holds and what the next coarser level has found.

    Equations 1 and 2 of the paper: ``sigmoid(psi(relu(W_x x + W_g g + b_g)) + b_psi)``. ``W_x`` takes 2 x 2 pixels at a
    time, so that the sum is made on the coarser grid; the gate is then brought to the skip's grid, bilinearly.
    """

    def __init__(self, skip: int, coarser: int) -> None:
        super().__init__()
        between = max(1, skip // 2)
        self.of_skip = nn.Conv2d(skip, between, 2, stride=2, bias=False)
        self.of_coarser = nn.Conv2d(coarser, between, 1)
        self.psi = nn.Conv2d(between, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear")
        assert self.psi.bias is not None
        nn.init.constant_(self.psi.bias, OPEN_AT_FIRST)

    def forward(self, skip: Float[Tensor, "n c h w"], coarser: Float[Tensor, "n d _h _w"]) -> Float[Tensor, "n 1 h w"]:
        """The gate ``(N, 1, H, W)`` in 0..1 for a skip of ``(N, C, H, W)``; ``coarser`` is ``(N, D, H/2, W/2)``."""
        opened = torch.sigmoid(self.psi(self.relu(self.of_skip(skip) + self.of_coarser(coarser))))
        return cast(Tensor, self.upsample(opened))


class AttentionUNet(UNet):
    """The U-Net, each skip multiplied by an `AttentionGate`, also the finest, which the paper leaves as it is.

    >>> output = AttentionUNet(AttentionUNetConfig(width=8, depth=3), classes=2)(torch.zeros(1, 1, 64, 96))
    >>> [tuple(gate.shape) for gate in output.gates]
    [(1, 1, 64, 96), (1, 1, 32, 48)]
    """

    def __init__(self, config: AttentionUNetConfig, classes: int) -> None:
        super().__init__(config, classes)
        widths = config.widths()
        rising = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.gates = nn.ModuleList(AttentionGate(fine, coarse) for coarse, fine in rising if config.gates)

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """``(N, 1, H, W)`` to an `Output` with its ``gates``; H and W are multiples of ``divisor``."""
        if not self.gates:
            return super().forward(frames)
        skips = self.features(frames)
        levels, gates = [skips[-1]], []
        for number, (gate, skip) in enumerate(zip(self.gates, skips[-2::-1], strict=True)):
            gates.append(gate(skip, levels[-1]))
            levels.append(self.climb(number, levels[-1], skip * gates[-1]))
        return replace(self.judged(self.answer(levels), skips), gates=tuple(reversed(gates)))
