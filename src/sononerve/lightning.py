"""The door to Lightning: what is used of it, imported when torchvision can no longer stop it."""

from __future__ import annotations

from .torchvision import make_importable

make_importable()  # first: Lightning imports it, and ends with its error where it does not fit

from lightning import Callback, LightningDataModule, LightningModule, Trainer  # noqa: E402
from lightning.fabric.plugins import CheckpointIO  # noqa: E402
from lightning.pytorch.callbacks import EarlyStopping, WeightAveraging  # noqa: E402
from lightning.pytorch.loggers import TensorBoardLogger  # noqa: E402
from lightning.pytorch.strategies import DDPStrategy  # noqa: E402
from lightning.pytorch.strategies.launchers.multiprocessing import (  # noqa: E402
    _MultiProcessingLauncher as MultiProcessingLauncher,
)
from lightning.pytorch.utilities.exceptions import SIGTERMException  # noqa: E402
from lightning.pytorch.utilities.types import OptimizerLRScheduler  # noqa: E402

__all__ = [
    "Callback",
    "CheckpointIO",
    "DDPStrategy",
    "EarlyStopping",
    "LightningDataModule",
    "LightningModule",
    "MultiProcessingLauncher",
    "OptimizerLRScheduler",
    "SIGTERMException",
    "TensorBoardLogger",
    "Trainer",
    "WeightAveraging",
]
