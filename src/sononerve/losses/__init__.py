"""Losses on `Output` logits, one file each."""

from .dice_ce import DiceCrossEntropy

__all__ = ["DiceCrossEntropy"]
