"""Losses on `Output` logits, one file each."""

from .box import BoxLoss
from .dice_ce import DiceCrossEntropy
from .multi_task import MultiTask
from .presence import PresenceLoss

__all__ = ["BoxLoss", "DiceCrossEntropy", "MultiTask", "PresenceLoss"]
