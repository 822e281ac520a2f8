"""Comparisons without processes, and results that nobody trained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from sononerve.cli import main
from sononerve.evaluate.metrics import FrameScores
from sononerve.evaluate.scores import FrameResult
from sononerve.train.compare.launch import Usage
from sononerve.train.compare.results import Machine, Planned, Predicted, Result, Trained

Calls = list[list[str]]


@pytest.fixture(scope="module")
def in_process() -> Iterator[Calls]:
    """Run the commands of a comparison here, where PyTorch is imported already; yields what was run."""
    calls: Calls = []

    def launch(arguments: list[str], log: Path, threads: int | None = None) -> Usage:
        calls.append(arguments)
        log.parent.mkdir(parents=True, exist_ok=True)
        with pytest.MonkeyPatch.context() as argv, log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
            argv.setattr(sys, "argv", ["sononerve", *arguments])
            with pytest.raises(SystemExit) as end:
                main()
        return Usage(int(end.value.code or 0), 1.0, 1.0, 10**9)

    with pytest.MonkeyPatch.context() as patch:
        for place in ("launch", "score"):
            patch.setattr(f"sononerve.train.compare.{place}.launch", launch)
        yield calls


def frame_scores(dice: float | None) -> FrameScores:
    empty = dice is None
    return FrameScores(
        dice=dice,
        iou=dice,
        accuracy=1.0,
        precision=dice,
        recall=dice,
        outside=0.0,
        hd95=None if empty else 5.0,
        mean_distance=None,
        surface_dice=dice,
        kaggle=dice or 0.0,
        false_positive=True if empty else None,
        truth_area=9,
        predicted_area=9,
    )


@pytest.fixture
def result() -> Callable[..., Result]:
    """Make a result from the Dice of the nerve in each frame; two frames per subject, None for an empty frame."""

    def make(label: str, dice: list[float | None], fold: int = 0, seed: int = 0, **changes: object) -> Result:
        frames = tuple(
            FrameResult(
                f"{fold}-{i}.png",
                f"subject {fold}-{i // 2}",
                None,
                0.5,
                d is not None,
                {"nerve": frame_scores(d)},
                None,
            )
            for i, d in enumerate(dice)
        )
        plan = Planned(steps=9, step_s=1, batch=4, height=32, width=32, strength=1, parameters=10**6)
        trained = Trained(steps=9, steps_s=60, cores=1.9, processes=1, wall_s=70, cpu_s=120, peak_bytes=2 * 10**9)
        told = {
            "sononerve": "0",
            "label": label,
            "model": "unet",
            "settings": {},
            "fold": fold,
            "seed": seed,
            "data": "frames",
            "split": "by subject",
            "classes": ("nerve",),
            "truth": "masks",
            "unit": "px",
            "warnings": (),
            "machine": Machine(cpu_count=2, threads=2, accelerator="cpu", precision="32"),
            "plan": plan,
            "training": trained,
            "prediction": Predicted(latency_ms=10, frames=15, threads=2, peak_bytes=10**8),
            "frames": frames,
        }
        return Result.model_validate(told | changes)

    return make
