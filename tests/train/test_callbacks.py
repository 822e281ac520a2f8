"""What is shown while a training runs."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from sononerve.train.config import TrainConfig
from sononerve.train.run import train


def test_on_a_terminal_the_curve_of_the_tune_part_grows(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=200)
    for module in ("sononerve.progress", "sononerve.train.callbacks"):
        monkeypatch.setattr(f"{module}.console", terminal)
    train(tiny(steps=4, rounds=4), tmp_path / "run")
    curves = [len(curve) for curve in re.findall(r"tune Dice nerve \d\.\d+ ([▁▂▃▄▅▆▇█]+)", shown.getvalue())]
    assert max(curves) >= 3
    assert curves == sorted(curves)
