"""Training against a discriminator: it learns, it waits, it is logged, it resumes, and its time is planned."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sononerve.data.module import Batch, VariedFrames, as_batch, collate
from sononerve.data.phantom import PhantomConfig, samples
from sononerve.data.preprocess import Preprocess
from sononerve.losses import DiceCrossEntropy
from sononerve.models import build
from sononerve.train import plan as planning
from sononerve.train.adversarial import STATE, Adversary
from sononerve.train.callbacks import LAST, LOG
from sononerve.train.checkpoint import SafetensorsIO
from sononerve.train.choose import Choices
from sononerve.train.config import AdversaryConfig, TrainConfig
from sononerve.train.plan import Plan, mean_step
from sononerve.train.run import PLAN, train

Make = Callable[..., TrainConfig]
Weights = dict[str, torch.Tensor]

STEPS = 10
AGAINST = {"weight": 0.5, "warm_up": 0.3, "head_start": 0.2, "ramp": 0.2, "width": 4, "layers": 2}
"""Of ten steps three without adversary, two with one that is not listened to."""


class PulledPlugError(BaseException):
    """Ends a training where it stands."""


def phantoms(first: int) -> Batch:
    """Sixteen phantom frames with a nerve, as the network sees them."""
    preprocess = Preprocess(height=64, width=64)
    config = PhantomConfig(subjects=16, frames=1, height=128, width=128, empty=0, vessels=False, seed=first)
    batches = []
    for sample in samples(config):
        assert sample.labels is not None
        canvas = preprocess.normalise(preprocess.frame(sample.frame.pixels))
        batches.append(as_batch(canvas[None], preprocess.mask(sample.labels, 1)[None]))
    return collate(batches)


def coarse(labels: torch.Tensor) -> torch.Tensor:
    """Logits of a generator that finds the nerve and draws it in blocks of sixteen pixels."""
    blocks = F.avg_pool2d((labels == 1).float()[:, None], 16)
    return 12 * (F.interpolate(blocks, scale_factor=16.0) - 0.3)


def test_the_discriminator_tells_real_masks_from_coarse_ones() -> None:
    torch.manual_seed(0)
    adversary = Adversary(AdversaryConfig(weight=1, width=16, learning_rate=1e-3), classes=1)
    adversary.begin()
    batch, new = phantoms(0), phantoms(1)
    for _ in range(80):
        adversary.learn(adversary.rivals(batch, coarse(batch.labels)))
    rivals = adversary.rivals(new, coarse(new.labels))
    with torch.no_grad():
        real = adversary.discriminator(new.frames, rivals.real).scores.mean((1, 2, 3))
        generated = adversary.discriminator(new.frames, rivals.generated).scores.mean((1, 2, 3))
    assert torch.cat([real > 0, generated < 0]).float().mean() > 0.9
    assert real.mean() > generated.mean() + 0.5


def record(patch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The network's own weights, not the averaged ones, after each round."""
    rounds: list[dict[str, torch.Tensor]] = []
    original = SafetensorsIO.save_checkpoint

    def note(self: SafetensorsIO, checkpoint: dict[str, object], path: Path, storage_options: object = None) -> None:
        state = checkpoint["current_model_state"]
        assert isinstance(state, dict)
        rounds.append({name: value.clone() for name, value in state.items() if name.startswith("model.")})
        original(self, checkpoint, path, storage_options)

    patch.setattr(SafetensorsIO, "save_checkpoint", note)
    return rounds


@pytest.fixture(scope="module")
def against(tiny: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Weights]]:
    """A finished training against an adversary, and the weights after each of its steps."""
    out = tmp_path_factory.mktemp("against") / "run"
    with pytest.MonkeyPatch.context() as patch:
        rounds = record(patch)
        train(tiny(steps=STEPS, adversary=AGAINST), out)
    return out, rounds


def test_until_it_speaks_an_adversary_changes_nothing_and_then_it_does(
    against: tuple[Path, list[Weights]], tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = record(monkeypatch)
    train(tiny(steps=STEPS), tmp_path / "run")
    same = [all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(alone, against[1], strict=True)]
    assert same == [True] * 6 + [False] * 4
    state = SafetensorsIO().load_checkpoint(tmp_path / "run" / LAST)
    assert STATE not in state
    assert not [name for name in state["state_dict"] if "adversary" in name]  # type: ignore[attr-defined]


def test_both_losses_are_in_the_log_from_when_there_are_any(against: tuple[Path, list[Weights]]) -> None:
    with (against[0] / LOG).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    assert [bool(row["discriminator_loss"]) for row in rows] == [False] * 3 + [True] * 7
    assert [bool(row["adversarial_loss"]) for row in rows] == [False] * 6 + [True] * 4
    assert all(math.isfinite(float(row["discriminator_loss"])) for row in rows[3:])
    assert all(0 <= float(row["real_recognised"]) <= 1 for row in rows[3:])
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0


def everything(run: Path) -> Weights:
    """Every tensor of the saved state, the discriminator's and its optimiser's too."""
    found: Weights = {}

    def walk(node: object, name: str) -> None:
        if isinstance(node, torch.Tensor):
            found[name] = node
        elif isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{name}/{key}")
        elif isinstance(node, list | tuple):
            for place, value in enumerate(node):
                walk(value, f"{name}/{place}")

    walk(SafetensorsIO().load_checkpoint(run / LAST), "")
    return found


def test_a_training_stopped_while_the_adversary_speaks_resumes_to_the_same_weights(
    against: tuple[Path, list[Weights]], tiny: Make, tmp_path: Path
) -> None:
    stopped = 8
    seen, original = -4, VariedFrames.__getitem__  # four frames are taken to time a step

    def pull(self: VariedFrames, key: tuple[int, int]) -> Batch:
        nonlocal seen
        seen += 1
        if seen == 4 * stopped + 2:
            raise PulledPlugError
        return original(self, key)

    run, config = tmp_path / "run", tiny(steps=STEPS, adversary=AGAINST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VariedFrames, "__getitem__", pull)
        with pytest.raises(PulledPlugError):
            train(config, run)
    assert SafetensorsIO().load_checkpoint(run / LAST)["global_step"] == stopped
    train(config, run, resume=True)
    found, expected = everything(run), everything(against[0])
    assert any(STATE in name for name in expected)
    assert found.keys() == expected.keys()
    assert not [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])]


def test_steps_are_the_generators_and_its_gradient_alone_is_clipped(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clipped: list[int] = []
    original = torch.nn.utils.clip_grad_norm_

    def count(parameters: object, *arguments: object, **named: object) -> object:
        listed = list(parameters)  # type: ignore[call-overload]
        clipped.append(len(listed))
        return original(listed, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", count)
    config = tiny(steps=4, precision="bf16", adversary=AGAINST | {"loss": "least-squares", "warm_up": 0, "ramp": 0})
    train(config, tmp_path / "run")
    assert SafetensorsIO().load_checkpoint(tmp_path / "run" / LAST)["global_step"] == 4
    assert set(clipped) == {len(list(build("unet", {"width": 4, "depth": 3}, 1).parameters()))}
    assert Plan.read(tmp_path / "run" / PLAN).steps == 4


def test_a_plan_counts_what_the_adversary_costs_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "time_step", lambda *_, adversary, **__: 0.5 if adversary is None else 0.9)
    choices = Choices(
        region="frame",
        longest=32,
        batch=4,
        strength=1,
        keep="last",
        precision="32",
        accelerator="cpu",
        network={},
        reasons=(),
    )
    batch = as_batch(np.zeros((4, 32, 32), np.float32), np.zeros((4, 32, 32), np.uint8))
    adversary = Adversary(AdversaryConfig(weight=1, warm_up=0.25, width=4), classes=1)
    model = build("unet", {"width": 4, "depth": 3}, 1)
    assert mean_step(model, DiceCrossEntropy(), batch, choices, None) == pytest.approx(0.5)
    assert mean_step(model, DiceCrossEntropy(), batch, choices, adversary) == pytest.approx(0.8)


def test_a_step_that_is_timed_with_an_adversary_moves_neither() -> None:
    model, adversary = build("unet", {"width": 4, "depth": 3}, 1), Adversary(AdversaryConfig(weight=1, width=4), 1)
    before = [tensor.clone() for tensor in (*model.state_dict().values(), *adversary.state_dict().values())]
    batch = as_batch(np.zeros((2, 32, 32), np.float32), np.zeros((2, 32, 32), np.uint8))
    assert planning.time_step(model, DiceCrossEntropy(), batch, "32", "cpu", adversary=adversary) > 0
    after = [*model.state_dict().values(), *adversary.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(("done", "strength"), [(0, 0), (0.35, 0), (0.4, 0.5), (0.45, 1), (1, 1)])
def test_the_weight_rises_after_warm_up_and_head_start(done: float, strength: float) -> None:
    config = AdversaryConfig(weight=1, warm_up=0.3, head_start=0.05, ramp=0.1)
    assert config.strength(done) == pytest.approx(strength)
