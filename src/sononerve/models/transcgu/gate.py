"""The conditional gate of a skip: the features beside it and the class token decide what it lets through."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..norm import InstanceNorm

BEGIN_OPEN = 2.0  # logit of an untrained gate: a skip that begins shut would hardly learn
SURELY_EMPTY = 2.0  # a frame's gates are half shut where its presence logit is minus this: probability 0.12


class ConditionalGate(nn.Module):
    """An additive attention gate (Oktay 2018, arXiv:1804.03999) with a third part, the class token.

    The three decide where the skip is more open, and where less: their logits are normalised over the frame, for a gate
    that may shut everywhere does so early in training, and its skip is lost. How far all of it is open, presence
    decides: it is multiplied by sigmoid(presence + 2), so that a frame judged empty closes its gates, whatever is in
    it, and one in doubt leaves them as they are.
    """

    def __init__(self, skip: int, decoder: int, token: int) -> None:
        super().__init__()
        inner = max(8, skip // 2)
        self.of_skip = nn.Conv2d(skip, inner, 1, bias=False)
        self.of_decoder = nn.Conv2d(decoder, inner, 1, bias=False)
        self.of_token = nn.Linear(token, inner)
        self.opening = nn.Conv2d(inner, 1, 1, bias=False)
        self.norm = InstanceNorm(1)
        nn.init.constant_(self.norm.bias, BEGIN_OPEN)

    def forward(
        self,
        skip: Float[Tensor, "n _s h w"],
        decoder: Float[Tensor, "n _d h w"],
        token: Float[Tensor, "n _t"],
        presence: Float[Tensor, " n"] | None,
    ) -> Float[Tensor, "n 1 h w"]:
        """How far the skip is open at each place, 0..1; ``presence``: logits, None where the network has none."""
        mixed = self.of_skip(skip) + self.of_decoder(decoder) + self.of_token(token)[:, :, None, None]
        opening = torch.sigmoid(self.norm(self.opening(torch.relu(mixed))))
        if presence is None:
            return opening
        return opening * torch.sigmoid(presence + SURELY_EMPTY)[:, None, None, None]
