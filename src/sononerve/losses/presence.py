"""Cross-entropy of the answer whether a nerve is in the frame."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.output import Output
from .targets import nerve_present


class PresenceLoss(nn.Module):
    """Binary cross-entropy of ``output.presence`` against whether the labels hold a nerve."""

    def forward(self, output: Output, labels: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
        """The loss of an output with presence logits for labels ``(N, H, W)``: a scalar."""
        assert output.presence is not None
        return F.binary_cross_entropy_with_logits(output.presence.float(), nerve_present(labels).float())
