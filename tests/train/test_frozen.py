"""Stages that are to stay frozen do so through a whole training, its averaging and its bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sononerve.models import Setting
from sononerve.models.vgg16_unet import VGG16Encoder
from sononerve.train.config import TrainConfig
from sononerve.train.run import train

FROZEN = ("features.0.", "features.2.")


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_frozen_stage_is_as_it_was_at_the_end_unless_it_was_freed(
    share: float,
    tiny: Callable[..., TrainConfig],
    bundled: Callable[[Path], dict[str, torch.Tensor]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)
    begun = {name: value.contiguous() for name, value in VGG16Encoder(3).state_dict().items()}
    (tmp_path / "home" / "weights").mkdir(parents=True)
    save_file(begun, tmp_path / "home" / "weights" / "vgg16.safetensors")
    settings: dict[str, Setting] = {"stages": 3, "width": 4, "frozen": 1, "frozen_share": share}
    train(tiny(model="vgg16-unet", network=settings), tmp_path / "run")
    ended = bundled(tmp_path / "run")
    moved = {name for name in begun if not torch.equal(begun[name], ended[f"vgg16.{name}"])}
    assert any(name.startswith(FROZEN) for name in moved) == (share < 1)
    assert "features.5.weight" in moved
