"""Real masks as soft as the predictions: a discriminator that sees zeros and ones beside 0.97 has learned just that."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

QUANTILES = 65
LOOKED_AT = 8192  # pixels of a class in a batch, at most, from which quantiles are taken
DECAY = 0.9
EDGE = 1 / 64  # of the longer side: the width (sigma) over which an edge is unsure
UNSURE = 0.15  # of the noise that says where inside of a mask one is unsure, beside 0.5 to 1 from edge to middle
PATCHES = 8  # knots a side of that noise
TINY = 1e-4


class MatchedSoftness(nn.Module):
    """Turns labels into class maps with the distribution of confidence that the generator's maps have.

    A mask of zeros and ones differs from any prediction in every pixel, and the discriminator would learn this and no
    shape. So the confidence of a pixel, the probability of its own class, is taken from the generator: of all pixels
    that it gives to a class, the quantiles of their confidence are kept as a running average over batches. In a real
    mask the pixels of that class are put into an order, those at an edge first (a blurred mask says how near one is)
    and elsewhere by smooth noise, for a generator too is unsure in patches; each gets the confidence at its place in
    the order. So mean, spread and edges of the confidence are alike for each class, label by label unchanged, and
    what is left to tell is the shape. What a pixel lacks to 1 goes to the other classes, most to those that are near.
    """

    table: Tensor
    seen: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.linspace(0.5, 1, QUANTILES).repeat(classes + 1, 1))
        self.register_buffer("seen", torch.zeros(classes + 1))

    @torch.no_grad()
    def observe(self, maps: Float[Tensor, "n k h w"]) -> None:
        """Take note of the confidence in a generator's class maps ``(N, C + 1, H, W)``, the background first."""
        sure, label = maps.max(1)
        shares = torch.linspace(0, 1, QUANTILES, device=maps.device)
        for k in range(maps.shape[1]):
            values = _some(sure[label == k])
            if len(values):
                step = max(1 - DECAY, 1 / (float(self.seen[k]) + 1))
                self.table[k].lerp_(torch.quantile(values.float(), shares).clamp(min=0.5), step)
                self.seen[k] += 1

    @torch.no_grad()
    def forward(self, labels: Int[Tensor, "n h w"]) -> Float[Tensor, "n k h w"]:
        """Class maps ``(N, C + 1, H, W)`` of labels ``(N, H, W)``: they sum to 1, and the label's is at least 0.5."""
        hard = F.one_hot(labels, len(self.table)).movedim(-1, 1).float()
        near = _blur(hard, max(1.0, EDGE * max(labels.shape[1:])))
        order = (near * hard).sum(1) + UNSURE * _noise(labels)
        sure = torch.zeros_like(order)
        for k, quantiles in enumerate(self.table):
            of_class = labels == k
            if of_class.any():
                sure[of_class] = _at_place(order[of_class], quantiles)
        others = (near + TINY) * (1 - hard)
        return hard * sure[:, None] + others / others.sum(1, keepdim=True) * (1 - sure[:, None])


def _at_place(values: Float[Tensor, " p"], quantiles: Float[Tensor, " q"]) -> Float[Tensor, " p"]:
    """The quantile for each value's place in the order of all."""
    sample = _some(values).sort().values
    place = torch.searchsorted(sample, values) / len(sample) * (len(quantiles) - 1)
    below = place.long().clamp(max=len(quantiles) - 2)
    return torch.lerp(quantiles[below], quantiles[below + 1], (place - below).clamp(0, 1))


def _some(values: Float[Tensor, " p"]) -> Float[Tensor, " q"]:
    return values[:: max(1, len(values) // LOOKED_AT)]


def _blur(maps: Float[Tensor, "n k h w"], sigma: float) -> Float[Tensor, "n k h w"]:
    reach = round(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=maps.device) / sigma) ** 2)
    weights, flat = weights / weights.sum(), maps.flatten(0, 1)[:, None]
    padded = F.pad(flat, (reach, reach, reach, reach), mode="replicate")
    rows = F.conv2d(padded, weights[None, None, :, None])
    return F.conv2d(rows, weights[None, None, None, :]).view_as(maps)


def _noise(labels: Int[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Smooth, of deviation about 1, another in each frame."""
    knots = torch.randn(len(labels), 1, PATCHES, PATCHES, device=labels.device)
    return F.interpolate(knots, labels.shape[1:], mode="bicubic", align_corners=True)[:, 0]
