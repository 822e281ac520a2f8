"""U-Net whose encoder is MobileNetV2 or EfficientNet-lite0."""

from .encoder import MobileEncoder
from .model import MobileUNet, MobileUNetConfig

__all__ = ["MobileEncoder", "MobileUNet", "MobileUNetConfig"]
