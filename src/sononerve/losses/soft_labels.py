"""How far an answer is from probabilities, as those of a teacher, where labels would be sure of everything."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..models.output import with_background

SMOOTH = 1.0


class SoftLabels(nn.Module):
    """Cross-entropy plus a Dice loss that is least where the answer is the very probabilities.

    The usual soft Dice loss is least where the answer is sure, whatever the probabilities; this one is Dice semimetric
    loss DML1 of Wang et al., 2023 (arXiv:2303.16296), over the whole batch per class, without background.

    >>> SoftLabels()(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5)).round(decimals=3)
    tensor(0.6930)
    """

    def forward(self, logits: Float[Tensor, "n c h w"], target: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
        """The loss of logits ``(N, C, H, W)`` for probabilities of as many classes, background left out: a scalar."""
        log = torch.log_softmax(with_background(logits.float()), dim=1)
        rest = (1 - target.sum(1, keepdim=True)).clamp(min=0)
        cross_entropy = -(torch.cat([rest, target], dim=1) * log).sum(1).mean()
        found = log.exp()[:, 1:]
        apart = (found - target).abs().sum((0, 2, 3))
        both = (found + target).sum((0, 2, 3))
        return cross_entropy + (1 - (both - apart + SMOOTH) / (both + SMOOTH)).mean()
