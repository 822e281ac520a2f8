"""Losses on `Output` logits, one file each."""

from .adversarial import AdversarialKind
from .box import BoxLoss
from .dice_ce import DiceCrossEntropy
from .multi_task import MultiTask
from .presence import PresenceLoss
from .soft_labels import SoftLabels
from .softness import MatchedSoftness

__all__ = [
    "AdversarialKind",
    "BoxLoss",
    "DiceCrossEntropy",
    "MatchedSoftness",
    "MultiTask",
    "PresenceLoss",
    "SoftLabels",
]
