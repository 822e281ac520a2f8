"""The losses of all branches of a network together, by stated weights or by learned uncertainty."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..models.output import Head, Output
from .box import BoxLoss
from .dice_ce import DiceCrossEntropy
from .presence import PresenceLoss
from .targets import nerve_present


class MultiTask(nn.Module):
    """The loss of the mask, and of each head that the network has.

    ``weighting``: "fixed" adds them with the weights ``presence`` and ``box``; "uncertainty" learns a log variance s
    for each branch, and adds exp(-s) loss + s (Kendall, Gal and Cipolla, 2018, arXiv:1705.07115, equation 7, without
    its factors of one half), the weights being where the variances begin.
    """

    def __init__(
        self,
        mask: DiceCrossEntropy,
        heads: tuple[Head, ...] = (),
        presence: float = 0.5,
        box: float = 0.2,
        weighting: Literal["fixed", "uncertainty"] = "fixed",
    ) -> None:
        super().__init__()
        self.mask = mask
        weights = {"presence": presence, "box": box}
        known: dict[str, nn.Module] = {"presence": PresenceLoss(), "box": BoxLoss()}
        self.weights = {head: weights[head] for head in heads}
        self.heads = nn.ModuleDict({head: known[head] for head in self.weights})
        self.log_variances: nn.Parameter | None = None
        if weighting == "uncertainty" and self.weights:
            begin = torch.tensor([1.0, *self.weights.values()])
            self.log_variances = nn.Parameter(-begin.log())

    def forward(self, output: Output, labels: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
        """The loss of an output for labels ``(N, H, W)``, 0 background: a scalar."""
        losses = self.parts(output, labels)
        if self.log_variances is None:
            weights = {"mask": 1.0} | self.weights
            return torch.stack([weight * losses[name] for name, weight in weights.items()]).sum()
        told = torch.stack(list(losses.values()))
        weighted = torch.exp(-self.log_variances) * told + self.log_variances
        boxed = bool(nerve_present(labels).any())  # else the box costs nothing, which would count as certainty
        return weighted[[head != "box" or boxed for head in losses]].sum()

    def parts(self, output: Output, labels: Int[Tensor, "n h w"]) -> dict[str, Float[Tensor, ""]]:
        """The loss of each branch by name, unweighted."""
        return {"mask": self.mask(output, labels)} | {head: loss(output, labels) for head, loss in self.heads.items()}
