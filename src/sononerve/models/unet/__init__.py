"""U-Net: an encoder, a decoder, and skips between their levels."""

from .model import UNet, UNetConfig

__all__ = ["UNet", "UNetConfig"]
