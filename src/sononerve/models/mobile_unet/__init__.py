"""U-Net whose encoder is MobileNetV2."""

from .encoder import MobileNetV2Encoder
from .model import MobileUNet, MobileUNetConfig

__all__ = ["MobileNetV2Encoder", "MobileUNet", "MobileUNetConfig"]
