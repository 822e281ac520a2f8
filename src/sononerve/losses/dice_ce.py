"""Dice plus cross-entropy, MONAI's, on logits without a background channel."""

from __future__ import annotations

from jaxtyping import Float, Int
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn

from ..models.output import Output, with_background


class DiceCrossEntropy(nn.Module):
    """``dice`` times soft Dice loss (Milletari 2016, arXiv:1606.04797) plus ``cross_entropy`` times cross-entropy.

    Deep supervision: the k-th coarser level, 1 the finest, counts ``deeper`` to the power k, on labels thinned to its
    size. ``batch``: the soft Dice is taken over the whole batch per class rather than per frame, which is
    steadier where frames are empty.
    """

    def __init__(self, dice: float = 1.0, cross_entropy: float = 1.0, deeper: float = 0.5, batch: bool = False) -> None:
        super().__init__()
        self.deeper = deeper
        self.loss = DiceCELoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            batch=batch,
            smooth_nr=1.0,
            smooth_dr=1.0,
            lambda_dice=dice,
            lambda_ce=cross_entropy,
        )

    def forward(self, output: Output, labels: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
        """The loss of an output for labels ``(N, H, W)``, 0 background: a scalar."""
        loss = self._level(output.logits, labels)
        for k, logits in enumerate(output.deeper, start=1):
            stride = labels.shape[1] // logits.shape[2]
            middle = slice(stride // 2, None, stride)  # of each cell: the first pixel would shift the labels
            loss = loss + self.deeper**k * self._level(logits, labels[:, middle, middle])
        return loss

    def _level(self, logits: Float[Tensor, "n c h w"], labels: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
        loss: Tensor = self.loss(with_background(logits.float()), labels[:, None])
        return loss
