"""TransCGU-Net: transformer-based conditional gated U-Net; mask, nerve presence and box from one network."""

from .model import TransCGUNet, TransCGUNetConfig

__all__ = ["TransCGUNet", "TransCGUNetConfig"]
