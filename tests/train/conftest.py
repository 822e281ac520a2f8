"""Phantom frames and trainings small enough for seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import load_file

from sononerve.data.phantom import PhantomConfig, write
from sononerve.runtime.bundle import Bundle
from sononerve.train.config import TrainConfig
from sononerve.train.run import train

Weights = dict[str, torch.Tensor]

TINY: dict[str, object] = {
    "network": {"width": 4, "depth": 3},
    "canvas": {"longest": 32},
    "batch": 4,
    "strength": 1.0,
    "steps": 6,
    "workers": 0,
    "precision": "32",
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads on tensors this small wait for each other most of the time, and on a busy machine for minutes."""
    threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(threads)
    cv2.setNumThreads(opencv_threads)


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight subjects with four frames of 64 x 64 and a nerve in most."""
    config = PhantomConfig(subjects=8, frames=4, height=64, width=64, vessels=False)
    return write(config, tmp_path_factory.mktemp("phantom") / "frames")


@pytest.fixture(scope="session")
def tiny(phantom_folder: Path) -> Callable[..., TrainConfig]:
    """Make the configuration of a training of seconds; keywords change its fields."""

    def make(**changes: object) -> TrainConfig:
        return TrainConfig.model_validate({"data": {"folder": phantom_folder}} | TINY | changes)

    return make


@pytest.fixture(scope="session")
def bundled() -> Callable[[Path], Weights]:
    """Read the weights of a run's bundle."""
    return lambda run: load_file(run / "bundle" / "weights.safetensors")


@pytest.fixture(scope="session")
def gated(tiny: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of an Attention U-Net after a few steps: one class, two gates."""
    out = tmp_path_factory.mktemp("trained") / "run"
    train(tiny(model="attention-unet"), out)
    return Bundle.open(out)
