"""Presence learned when the masks are: a judge fitted to a trained encoder's features, on frames and crops of them.

A network that sees only frames with a nerve marks something in every frame. Shown empty crops it marks less, in whole
frames too. So its weights stay, and a linear layer on its features learns what is empty (a linear probe: Alain, Bengio,
2016, arXiv:1610.01644).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from ..data.canvases import Canvases, Joined
from ..data.dataset import Progress
from ..data.module import VariedFrames
from ..errors import InputError
from ..models import MIRRORED, SegmentationModel
from ..models.cost import count_flops
from ..models.judge import summary
from ..models.unet import UNet
from .config import TrainConfig

NETWORKS = ("unet", "attention-unet", "vgg16-unet", "mobile-unet", "unet-notebook")
"""Those with a place for a judge."""
LOOKS = 4  # at each frame and crop, at most: as it is, and varied as in training
MOST_LOOKS, LEAST_LOOKS = 12000, 160  # in all
VARYING_S = 0.01  # per look, before the encoder sees it
FLOPS_PER_S = 5e10  # of the encoder, at the least
BUDGET_SHARE = 0.15
"""Of a training's budget, which a judge may take, unless that is less than its least looks."""
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


def look_s(network: SegmentationModel, shape: tuple[int, int]) -> float:
    """Seconds that a look at a frame or crop on a canvas of ``shape`` takes at the most."""
    return VARYING_S + count_flops(network, *shape) / FLOPS_PER_S


def looks_within(budget_s: float | None, network: SegmentationModel, shape: tuple[int, int]) -> int:
    """How often a judge may look in its share of a training's budget; None: there is no budget."""
    if budget_s is None:
        return MOST_LOOKS
    return min(MOST_LOOKS, max(LEAST_LOOKS, int(BUDGET_SHARE * budget_s / look_s(network, shape))))


def fit_judge(model: UNet, varied: VariedFrames, most: int = MOST_LOOKS, progress: Progress | None = None) -> str:
    """Put a judge of presence beside the trained network, fitted to frames and crops of ``varied``; tell of it.

    The model is then in evaluation mode, on the CPU, and its masks are what they were. ``most``: how often it looks, in
    all. Each frame and crop is looked at four times or less often; where even once is too much, the seed draws some of
    them, for further looks at the same teach less than other frames do.
    """
    assert varied.crops is not None
    model.eval().cpu().float()
    frames, crops = len(varied.canvases), len(varied.crops)
    each = min(LOOKS, max(1, most // (frames + crops)))
    whole, cut = mixed(most // each, frames, crops, varied.seed)
    total, summaries, present = len(whole) + len(cut), list[Tensor](), list[bool]()
    for part, places in ((varied.canvases, whole), (varied.crops, cut)):
        for seen, told in look_at(part, places, varied, each):
            with torch.no_grad():
                summaries.append(summary(model.features(seen)))
            present += told
            if progress is not None:
                progress(len(present) // each, total)
    weight, bias = fit_line(torch.cat(summaries), torch.tensor(present))
    judge = model.add_judge()
    with torch.no_grad():
        judge.linear.weight.copy_(weight)
        judge.linear.bias.copy_(bias)
    empty = total - sum(present[::each])
    return f"fitted to {len(whole)} frames and {len(cut)} crops, {empty} of them without a nerve"


def mixed(most: int, frames: int, crops: int, seed: int) -> tuple[list[int], list[int]]:
    """Places of so many whole frames and crops together, in the mix that there is, but with no more frames than crops.

    Where crops are too few for that, all of them and further frames.
    """
    pieces = min(most, frames + crops)
    whole = max(min(round(pieces * frames / (frames + crops)), pieces // 2), pieces - crops)
    return _drawn(frames, whole, seed), _drawn(crops, pieces - whole, seed)


def _drawn(count: int, most: int, seed: int) -> list[int]:
    return sorted(np.random.default_rng(seed).permutation(count)[:most].tolist())


def look_at(
    part: Canvases | Joined, places: Sequence[int], varied: VariedFrames, each: int
) -> Iterator[tuple[Float[Tensor, "n 1 h w"], list[bool]]]:
    """Batches of normalised frames, each frame as it is and varied, and whether the nerve is in what is seen of it."""
    frames, told = list[Tensor](), list[bool]()
    for i in places:
        pixels, labels = part[i]
        looks = [(pixels, labels)]
        for look in range(1, each):
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
