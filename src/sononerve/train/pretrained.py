"""Networks that begin with other people's weights: from the store of imported weights into the network."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import InputError
from ..io.weights.store import find_weights
from ..models import SegmentationModel, build
from .config import TrainConfig


def check_pretrained(config: TrainConfig) -> None:
    """Raise `InputError` where the network's settings are wrong, or the weights it begins with are not here."""
    model = build(config.model, config.network, classes=1)
    if model.pretrained is not None:
        _find(model.pretrained)


def load_pretrained(model: SegmentationModel) -> None:
    """Put the imported weights into a network that begins with some; raise `InputError` where they do not fit."""
    if model.pretrained is None:
        return
    path = _find(model.pretrained)
    try:
        model.load_pretrained(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; import {model.pretrained} again with --overwrite") from error


def _find(name: str) -> Path:
    try:
        return find_weights(name)
    except InputError as error:
        raise InputError(f"{error}; or begin without: --set network.weights=none") from error
