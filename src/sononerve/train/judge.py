"""Presence learned when the masks are: a judge fitted to a trained encoder's features, on frames and crops of them.

A network that sees only frames with a nerve marks something in every frame. Shown empty crops it marks less, in whole
frames too. So its weights stay, and a linear layer on its features learns what is empty (a linear probe: Alain, Bengio,
2016, arXiv:1610.01644).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from ..data.canvases import Canvases, Joined
from ..data.dataset import Progress
from ..data.module import VariedFrames
from ..errors import InputError
from ..models import MIRRORED
from ..models.judge import summary
from ..models.unet import UNet
from .config import TrainConfig

NETWORKS = ("unet", "attention-unet", "vgg16-unet", "mobile-unet", "unet-notebook")
"""Those with a place for a judge."""
MOST_FRAMES = 1500  # whole ones; crops are bounded where they are cut
LOOKS = 4  # at each frame and crop: as it is, and varied as in training
DECAY = 0.1  # of standardised features; on held-out crops of usgra-seg 0.01 to 0.3 told them apart as well
AT_ONCE = 16
EMPTY = 0.4
"""Presence below which no nerve is marked; with 0.5 nine networks on usgra-seg lost 2 % of frames with a nerve."""


def can_be_judged(config: TrainConfig) -> bool:
    """Whether what is trained has a place for a judge."""
    return config.model in NETWORKS and not (config.refine.folds or config.network.get(MIRRORED))


def check_judged(config: TrainConfig) -> None:
    """Raise `InputError` where a judge is asked for that the network cannot have."""
    if config.negatives.judge and not can_be_judged(config):
        mirrored = " as network.mirrored" if config.network.get(MIRRORED) else ""
        raise InputError(
            f"negatives.judge: {config.model}{mirrored} has no place for a judge; expected one of "
            f"{', '.join(NETWORKS)}, neither mirrored nor refined; or leave it out"
        )


def fit_judge(model: UNet, varied: VariedFrames, progress: Progress | None = None) -> str:
    """Put a judge of presence beside the trained network, fitted to the frames and crops of ``varied``; tell of it.

    The model is then in evaluation mode, on the CPU, and its masks are what they were.
    """
    assert varied.crops is not None
    model.eval().cpu().float()
    whole = range(0, len(varied.canvases), ceil(len(varied.canvases) / MOST_FRAMES))
    cut = range(len(varied.crops))
    total, summaries, present = len(whole) + len(cut), list[Tensor](), list[bool]()
    for part, places in ((varied.canvases, whole), (varied.crops, cut)):
        for frames, told in _looks(part, places, varied):
            with torch.no_grad():
                summaries.append(summary(model.features(frames)))
            present += told
            if progress is not None:
                progress(len(present) // LOOKS, total)
    weight, bias = fit_line(torch.cat(summaries), torch.tensor(present))
    judge = model.add_judge()
    with torch.no_grad():
        judge.linear.weight.copy_(weight)
        judge.linear.bias.copy_(bias)
    empty = total - sum(present[::LOOKS])
    return f"fitted to {len(whole)} frames and {len(cut)} crops, {empty} of them without a nerve"


def _looks(
    part: Canvases | Joined, places: Sequence[int], varied: VariedFrames
) -> Iterator[tuple[Float[Tensor, "n 1 h w"], list[bool]]]:
    """Batches of normalised frames, each frame as it is and varied, and whether the nerve is in what is seen of it."""
    frames, told = list[Tensor](), list[bool]()
    for i in places:
        pixels, labels = part[i]
        looks = [(pixels, labels)]
        for look in range(1, LOOKS):
            drawn = varied.augment.draw(np.random.default_rng([varied.seed, look, i]))
            looks.append((varied.augment.frame(pixels, drawn), varied.augment.mask(labels, drawn)))
        frames += [torch.from_numpy(varied.preprocess.normalise(seen))[None] for seen, _ in looks]
        told += [bool((marked == 1).any()) for _, marked in looks]
        if len(frames) >= AT_ONCE or i == places[-1]:
            yield torch.stack(frames), told
            frames, told = [], []


def fit_line(features: Float[Tensor, "n k"], present: Bool[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """Weights ``(K,)`` and bias of the logistic regression with the least loss, large weights of features punished."""
    mean, deviation = features.double().mean(0), features.double().std(0).clamp(min=1e-6)
    standard, truth = (features.double() - mean) / deviation, present.double()
    weight = torch.zeros(features.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        found = F.binary_cross_entropy_with_logits(standard @ weight + bias, truth) + DECAY / 2 * weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    search.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        own = weight / deviation
        return own.float(), (bias - own @ mean).float()
