"""U-Net with the convolutions of VGG16 as its encoder, which may begin with ImageNet's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from ..unet import UNet, UNetConfig
from .encoder import VGG16Encoder


class VGG16UNetConfig(BaseModel):
    """Settings of a `VGG16UNet`.

    ``weights``: "vgg16" begins with the imported weights of that name, "none" at random. ``stages``: how many stages of
    VGG16 are used, the last one as the bottleneck. ``frozen``: so many stages, the finest first, keep their imported
    weights for the share ``frozen_share`` of the training. ``rate``: factor on the learning rate of the last stage, and
    per stage before it times ``rate_decay``. ``width``: channels of the finest decoder level, doubled per level up to
    ``widest``. ``deep_supervision``: so many coarser decoder levels also predict, for the loss in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Literal["vgg16", "none"] = "vgg16"
    stages: int = Field(default=5, ge=2, le=5)
    frozen: int = Field(default=0, ge=0, le=5)
    frozen_share: float = Field(default=1.0, ge=0, le=1)
    rate: float = Field(default=0.1, gt=0, le=1)
    rate_decay: float = Field(default=0.8, gt=0, le=1)
    width: int = Field(default=32, ge=1, le=512)
    widest: int = Field(default=256, ge=1)
    deep_supervision: int = Field(default=2, ge=0)

    @model_validator(mode="after")
    def _stages_to_freeze(self) -> VGG16UNetConfig:
        if self.frozen > self.stages:
            raise ValueError(f"frozen is {self.frozen}, but stages {self.stages}; expected at most as many")
        return self


class VGG16UNet(UNet):
    """VGG16's stages, and a thin decoder with instance normalisation; skips between levels of one size.

    >>> network = VGG16UNet(VGG16UNetConfig(weights="none", stages=3), classes=2)
    >>> network(torch.zeros(1, 1, 64, 96)).logits.shape
    torch.Size([1, 2, 64, 96])
    """

    def __init__(self, config: VGG16UNetConfig, classes: int) -> None:
        encoder = VGG16Encoder(config.stages)
        decoder = UNetConfig(
            width=config.width,
            widest=config.widest,
            depth=config.stages,
            norm="instance",
            deep_supervision=config.deep_supervision,
        )
        super().__init__(decoder, classes, skips=encoder.widths)
        self.config, self.vgg16 = config, encoder
        self.pretrained = None if config.weights == "none" else config.weights
        self.frozen = 0 if self.pretrained is None else config.frozen
        self.frozen_share = config.frozen_share if self.frozen else 0.0

    def features(self, frames: Float[Tensor, "n 1 h w"]) -> list[Tensor]:
        """The features of every stage, finest first."""
        return list(self.vgg16(frames))

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Put VGG16's weights into the encoder."""
        self.vgg16.load(tensors)

    def learning_rates(self) -> dict[str, float]:
        """Lower rates in the encoder where it begins with weights worth keeping."""
        if self.pretrained is None:
            return {}
        return {f"vgg16.{name}": f for name, f in self.vgg16.rates(self.config.rate, self.config.rate_decay).items()}

    def thaw(self, done: float) -> None:
        """Keep the first stages frozen for the stated share of the training."""
        self.vgg16.freeze(self.frozen if done < self.frozen_share else 0)
