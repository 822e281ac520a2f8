"""Attention U-Net: a U-Net whose skips pass through gates."""

from .model import AttentionGate, AttentionUNet, AttentionUNetConfig

__all__ = ["AttentionGate", "AttentionUNet", "AttentionUNetConfig"]
