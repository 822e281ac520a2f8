"""U-Net whose encoder is VGG16."""

from .encoder import VGG16Encoder
from .model import VGG16UNet, VGG16UNetConfig

__all__ = ["VGG16Encoder", "VGG16UNet", "VGG16UNetConfig"]
