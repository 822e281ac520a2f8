"""What presence and box are learned from, read off the label map: it is varied as the frame is, and so are they."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NERVE = 1


def nerve_present(labels: Int[Tensor, "n h w"]) -> Bool[Tensor, " n"]:
    """Whether a frame holds any nerve, ``(N,)``, from labels ``(N, H, W)``."""
    return (labels == NERVE).flatten(1).any(1)


def nerve_box(labels: Int[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """The hull of all nerve pixels as cxcywh in 0..1, ``(N, 4)``; zeros where there is none.

    Data sets with native boxes hold them filled in the label map, so that this is the hull of those.
    """
    nerve = labels == NERVE
    (top, bottom), (left, right) = _ends(nerve.any(2)), _ends(nerve.any(1))
    return torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], dim=1)


def _ends(lit: Bool[Tensor, "n k"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Where the first lit place begins and the last one ends, in 0..1; both 0 where none is lit."""
    size = lit.shape[1]
    first = lit.int().argmax(1)
    last = size - lit.flip(1).int().argmax(1)
    any_lit = lit.any(1)
    return first * any_lit / size, last * any_lit / size
