"""A conditional PatchGAN discriminator: no segmentation model, but what one may be trained against."""

from .model import Discriminator, Judgement

__all__ = ["Discriminator", "Judgement"]
