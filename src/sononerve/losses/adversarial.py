"""What generator and discriminator are taught by each other: hinge, least squares, and matching of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

AdversarialKind = Literal["hinge", "least-squares"]
BORDER: dict[AdversarialKind, float] = {"hinge": 0.0, "least-squares": 0.5}
"""The score above which a patch counts as judged to be real."""


def discriminator_loss(
    kind: AdversarialKind, real: Float[Tensor, "n 1 h w"], generated: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, ""]:
    """The mean over patches of what the discriminator is taught by, a scalar.

    "hinge": max(0, 1 - real) + max(0, 1 + generated) (Lim and Ye, 2017, arXiv:1705.02894). "least-squares":
    ((real - 1)^2 + generated^2) / 2 (Mao et al., 2017, arXiv:1611.04076).
    """
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + generated).mean()
    return ((real - 1).square().mean() + generated.square().mean()) / 2


def generator_loss(kind: AdversarialKind, generated: Float[Tensor, "n 1 h w"]) -> Float[Tensor, ""]:
    """The mean over patches of what the generator is taught by, a scalar: -generated, or (generated - 1)^2 / 2."""
    if kind == "hinge":
        return -generated.mean()
    return (generated - 1).square().mean() / 2


def feature_matching(
    real: Sequence[Float[Tensor, "n _c _h _w"]], generated: Sequence[Float[Tensor, "n _c _h _w"]]
) -> Float[Tensor, ""]:
    """Mean L1 distance of the discriminator's features, averaged over its layers (Wang et al., 2018, arXiv:1711.11585).

    No gradient reaches the real ones.
    """
    distances = [F.l1_loss(found, true.detach()) for true, found in zip(real, generated, strict=True)]
    return torch.stack(distances).mean()
