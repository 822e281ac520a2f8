"""Real masks made as soft as a generator's: what a discriminator sees of them beside the shape is alike."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sononerve.losses import MatchedSoftness
from sononerve.models.discriminator import Discriminator


def discs(count: int, classes: int = 1, side: int = 64, seed: int = 0) -> torch.Tensor:
    """Labels with a disc of each class, here and there."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    labels = torch.zeros(count, side, side, dtype=torch.long)
    for frame in labels:
        for label in range(1, classes + 1):
            row, column = (side * (0.25 + 0.5 * torch.rand(2, generator=generator))).tolist()
            frame[(y - row) ** 2 + (x - column) ** 2 < (side / 6) ** 2] = label
    return labels


def hard(labels: torch.Tensor, classes: int) -> torch.Tensor:
    return F.one_hot(labels, classes + 1).movedim(-1, 1).float()


def right_and_soft(labels: torch.Tensor, classes: int, seed: int = 0) -> torch.Tensor:
    """Maps of a generator that is right about every shape: blurred, unsure in patches, surer of the background."""
    generator = torch.Generator().manual_seed(seed)
    near = F.avg_pool2d(F.pad(hard(labels, classes), (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    doubt = F.interpolate(torch.rand(len(labels), 1, 5, 5, generator=generator), labels.shape[1:], mode="bilinear")
    return torch.softmax((near - near.mean(1, keepdim=True)) * (1 + 2 * doubt + near[:, :1]), dim=1)


@pytest.mark.parametrize("classes", [1, 2])
def test_confidence_is_distributed_as_the_generators_class_by_class(classes: int) -> None:
    torch.manual_seed(0)
    softness = MatchedSoftness(classes)
    labels = torch.cat([discs(8, classes, seed=seed) for seed in range(20)])
    generated = torch.cat([right_and_soft(labels[8 * k : 8 * k + 8], classes, k) for k in range(20)])
    for part in generated.split(8):
        softness.observe(part)
    real = softness(labels)
    assert torch.allclose(real.sum(1), torch.ones_like(real[:, 0]), atol=1e-5)
    assert (real.argmax(1) == labels).float().mean() > 0.999
    for label in range(classes + 1):
        ours, theirs = real.amax(1)[labels == label], generated.amax(1)[generated.argmax(1) == label]
        assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=0.02)
        assert ours.std().item() == pytest.approx(theirs.std().item(), abs=0.03)


def test_it_is_less_sure_at_edges() -> None:
    torch.manual_seed(0)
    softness, labels = MatchedSoftness(1), discs(8)
    softness.observe(right_and_soft(labels, 1))
    sure, inside = softness(labels).amax(1), hard(labels, 1)[:, 1:]
    core = -F.max_pool2d(-inside, 7, stride=1, padding=3)
    rim = inside + F.max_pool2d(-inside, 3, stride=1, padding=1)
    assert sure[rim[:, 0] > 0].mean() < sure[core[:, 0] > 0].mean() - 0.05


def test_a_batch_without_the_class_is_soft_too() -> None:
    torch.manual_seed(0)
    softness = MatchedSoftness(1)
    softness.observe(right_and_soft(discs(4), 1))
    real = softness(torch.zeros(2, 64, 64, dtype=torch.long))
    assert 0.5 <= real[:, 0].min() < real[:, 0].max() < 1
    assert softness(discs(2)).isfinite().all()


def recognised(soften: bool) -> float:
    """The share of new patches that a discriminator knows for what they are, where all shapes are right."""
    torch.manual_seed(0)
    softness, discriminator = MatchedSoftness(1), Discriminator(classes=1, width=16, layers=2)
    optimiser = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
    shares: list[float] = []
    for seed in range(80):
        labels, other = discs(8, side=32, seed=2 * seed), discs(8, side=32, seed=2 * seed + 1)
        generated, frames = right_and_soft(other, 1, seed), torch.zeros(8, 1, 32, 32)
        softness.observe(generated)
        real = softness(labels) if soften else hard(labels, 1)
        discriminator.requires_grad_(True)
        optimiser.zero_grad()
        scores = discriminator(frames, real).scores, discriminator(frames, generated).scores
        (F.relu(1 - scores[0]).mean() + F.relu(1 + scores[1]).mean()).backward()
        optimiser.step()
        shares.append(float((scores[0] > 0).float().mean() + (scores[1] < 0).float().mean()) / 2)
    return sum(shares[-20:]) / 20


def test_softness_alone_tells_a_discriminator_less_than_zeros_and_ones_do() -> None:
    assert recognised(soften=False) > 0.75
    assert recognised(soften=True) < 0.65
