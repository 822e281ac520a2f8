"""Nerve segmentation in ultrasound: from a folder of frames to a model that can be trusted.

>>> import sononerve
>>> dataset = sononerve.load_dataset("frames")  # doctest: +SKIP
>>> sononerve.train(sononerve.TrainConfig(data={"folder": "frames"}, budget_s=1800), "run")  # doctest: +SKIP
>>> sononerve.Predictor.load("run").predict(sononerve.read_frame("frame.png")).labels  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .data import phantom
    from .data.audit import audit
    from .data.dataset import load_dataset
    from .data.split import split
    from .errors import InputError, TrainingError
    from .evaluate.run import evaluate
    from .frame import Frame, Measurement, Sample, Segmentation
    from .io.frames import read_frame
    from .io.stream import open_stream
    from .runtime.predictor import Predictor
    from .runtime.stream import segment_stream
    from .train.compare.run import compare
    from .train.config import TrainConfig
    from .train.explain import explain
    from .train.run import train

_HOMES = {
    "load_dataset": "data.dataset",
    "audit": "data.audit",
    "split": "data.split",
    "TrainConfig": "train.config",
    "compare": "train.compare.run",
    "explain": "train.explain",
    "Predictor": "runtime.predictor",
    "Frame": "frame",
    "Measurement": "frame",
    "Sample": "frame",
    "Segmentation": "frame",
    "InputError": "errors",
    "TrainingError": "errors",
    "read_frame": "io.frames",
    "open_stream": "io.stream",
    "segment_stream": "runtime.stream",
}

_MODULES = {"phantom": ".data.phantom", "train": ".train", "evaluate": ".evaluate"}

__all__ = [
    "Frame",
    "InputError",
    "Measurement",
    "Predictor",
    "Sample",
    "Segmentation",
    "TrainConfig",
    "TrainingError",
    "audit",
    "compare",
    "evaluate",
    "explain",
    "load_dataset",
    "open_stream",
    "phantom",
    "read_frame",
    "segment_stream",
    "split",
    "train",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is asked for, so that segmenting needs neither torch nor its import time."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name], __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
