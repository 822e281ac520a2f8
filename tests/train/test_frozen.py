"""Stages that are to stay frozen do so through a whole training, its averaging and its bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sononerve.models import Setting, build
from sononerve.train.config import TrainConfig
from sononerve.train.run import train

FROZEN = ("vgg16.features.0.", "vgg16.features.2.")


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_frozen_stage_is_as_it_was_at_the_end_unless_it_was_freed(
    share: float, tiny: Callable[..., TrainConfig], bundled: Callable[[Path], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    settings: dict[str, Setting] = {"weights": "none", "stages": 3, "width": 4, "frozen": 1, "frozen_share": share}
    train(tiny(model="vgg16-unet", network=settings), tmp_path / "run")
    torch.manual_seed(0)
    begun, ended = build("vgg16-unet", settings, classes=1).state_dict(), bundled(tmp_path / "run")
    moved = {name for name in begun if not torch.equal(begun[name], ended[name])}
    assert any(name.startswith(FROZEN) for name in moved) == (share < 1)
    assert "vgg16.features.5.weight" in moved
