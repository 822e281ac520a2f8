"""A refined network: at first the coarse one, later the same but for its correction."""

from __future__ import annotations

import torch

from sononerve.models import build
from sononerve.models.refiner import Refined, Refiner
from sononerve.models.refiner.model import logits_of


def coarse_and_refined(classes: int = 2) -> tuple[torch.nn.Module, Refined]:
    torch.manual_seed(0)
    coarse = build("unet", {"width": 8, "depth": 3, "norm": "batch", "dropout": 0.5}, classes)
    return coarse, Refined(coarse, Refiner(classes, width=4, depth=2))


def test_at_first_it_answers_as_the_coarse_network() -> None:
    coarse, refined = coarse_and_refined()
    frames = torch.randn(2, 1, 32, 48)
    expected = coarse.eval()(frames).probabilities()
    torch.testing.assert_close(refined.train()(frames).probabilities(), expected, atol=1e-5, rtol=0)
    given = torch.softmax(torch.randn(2, 3, 32, 48), dim=1)[:, 1:]
    torch.testing.assert_close(refined(frames, given).probabilities(), given, atol=1e-5, rtol=0)


def test_it_corrects_a_sure_network_at_run_time_as_in_training() -> None:
    coarse, refined = coarse_and_refined()
    with torch.no_grad():
        coarse.head.weight.mul_(1000)
    frames = torch.randn(2, 1, 32, 48)
    answer = coarse.eval()(frames)
    assert answer.logits.abs().max() > 50
    torch.testing.assert_close(refined.eval()(frames).logits, refined(frames, answer.probabilities()).logits)


def test_training_moves_the_refiner_and_nothing_of_the_coarse_network() -> None:
    _, refined = coarse_and_refined()
    refined.train()
    before = {name: value.clone() for name, value in refined.state_dict().items()}
    optimizer = torch.optim.SGD(refined.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        refined(torch.randn(2, 1, 32, 32)).logits.square().mean().backward()
        optimizer.step()
    moved = {name for name, value in refined.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("refiner.") for name in moved)


def test_logits_of_probabilities_have_them_again_and_stay_finite() -> None:
    sure = torch.tensor([0.0, 1e-3, 0.5, 0.999, 1.0]).reshape(1, 1, 1, 5)
    logits = logits_of(sure)
    assert logits.abs().max() < 12
    torch.testing.assert_close(torch.sigmoid(logits), sure, atol=2e-5, rtol=0)
