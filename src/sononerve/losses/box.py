"""How far the predicted box is from the hull of the nerve: L1 and generalised IoU."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from monai.losses.giou_loss import BoxGIoULoss
from torch import Tensor, nn

from ..models.output import Output
from .targets import nerve_box, nerve_present


class BoxLoss(nn.Module):
    """``l1`` times the L1 distance of cxcywh plus ``giou`` times the generalised IoU loss (Rezatofighi 2019).

    The weights are those of DETR (arXiv:2005.12872), as 5 to 2. Frames without a nerve have no box and do not count; a
    batch of such frames costs nothing.
    """

    def __init__(self, l1: float = 5.0, giou: float = 2.0) -> None:
        super().__init__()
        self.l1, self.giou = l1, giou
        self.overlap = BoxGIoULoss(reduction="none")

    def forward(self, output: Output, labels: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
        """The loss of an output with boxes ``(N, 4)`` cxcywh for labels ``(N, H, W)``: a scalar."""
        assert output.box is not None
        present, found, truth = nerve_present(labels), output.box.float(), nerve_box(labels)
        if not present.any():
            return (found * 0).sum()
        found, truth = found[present], truth[present]
        distance = (found - truth).abs().sum(1).mean()
        overlap: Tensor = self.overlap(corners(found), corners(truth)).mean()
        return self.l1 * distance + self.giou * overlap


def corners(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Boxes cxcywh as xyxy."""
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat([middle - half, middle + half], dim=1)
