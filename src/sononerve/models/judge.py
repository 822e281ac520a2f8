"""A judge beside a U-Net: whether there is a nerve, from the encoder's features. The network stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 3
"""So many of the coarsest levels are listened to: finer ones tell of edges and speckle."""

JUDGE = "judge"
"""What a network's parameters of it begin with."""


class Judge(nn.Module):
    """A linear layer on what an encoder sees on the whole: a logit of presence ``(N,)``.

    It is fitted to a network that is trained already, `sononerve.train.judge.fit_judge`. ``widths``: channels of each
    level, finest first.

    >>> Judge([4, 8, 8, 16])([torch.zeros(2, width, 4, 4) for width in (4, 8, 8, 16)]).shape
    torch.Size([2])
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.linear = nn.Linear(sum(widths[-LEVELS:]) + widths[-1], 1)

    def forward(self, features: Sequence[Tensor]) -> Float[Tensor, " n"]:
        """The logit, from the features ``(N, C, H, W)`` of every level, finest first."""
        logit: Tensor = self.linear(summary(features))
        return logit[:, 0]


def summary(features: Sequence[Tensor]) -> Float[Tensor, "n k"]:
    """The mean of every channel of the coarsest levels, and the largest value of each of the very coarsest."""
    means = [level.mean((2, 3)) for level in features[-LEVELS:]]
    return torch.cat([*means, features[-1].amax((2, 3))], dim=1)
