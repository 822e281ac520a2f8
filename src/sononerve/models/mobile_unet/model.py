"""U-Net whose encoder was made for phones, and may begin with ImageNet's weights; fast on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..output import Output
from ..unet import UNet, UNetConfig
from .encoder import MobileEncoder


class MobileUNetConfig(BaseModel):
    """Settings of a `MobileUNet`.

    ``weights``: "imagenet" begins with the imported weights of the encoder's name, "none" at random. ``rate``: factor
    on the learning rate of an encoder that begins with weights. ``width``: channels of the finest decoder level,
    doubled per level up to ``widest``. ``norm``: of the decoder. ``deep_supervision``: so many coarser decoder levels
    also predict, for the loss in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: Literal["mobilenet_v2", "efficientnet_lite0"] = "mobilenet_v2"
    weights: Literal["imagenet", "none"] = "imagenet"
    rate: float = Field(default=0.5, gt=0, le=1)
    width: int = Field(default=32, ge=1, le=512)
    widest: int = Field(default=256, ge=1)
    norm: Literal["batch", "instance"] = "instance"
    deep_supervision: int = Field(default=2, ge=0)


class MobileUNet(UNet):
    """The encoder's features from half of the sides on, and a decoder that unfolds its logits 2 x 2 at the end.

    So nothing is computed on as many pixels as the frame has: there few channels take long on a CPU.

    >>> network = MobileUNet(MobileUNetConfig(weights="none"), classes=2)
    >>> network(torch.zeros(2, 1, 64, 96)).logits.shape
    torch.Size([2, 2, 64, 96])
    """

    def __init__(self, config: MobileUNetConfig, classes: int) -> None:
        encoder = MobileEncoder(config.encoder)
        decoder = UNetConfig(
            width=config.width,
            widest=config.widest,
            depth=len(encoder.widths),
            fold=2,
            norm=config.norm,
            deep_supervision=config.deep_supervision,
        )
        super().__init__(decoder, classes, skips=encoder.widths)
        self.config, self.mobile = config, encoder
        self.pretrained = None if config.weights == "none" else config.encoder

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """``(N, 1, H, W)`` to an `Output`; H and W are multiples of 32."""
        if self.training and len(frames) == 1:  # a normalisation by batch wants more than one value of a channel
            twice = super().forward(torch.cat([frames, frames]))
            return Output(logits=twice.logits[:1], deeper=tuple(logits[:1] for logits in twice.deeper))
        return super().forward(frames)

    def features(self, frames: Float[Tensor, "n 1 h w"]) -> list[Tensor]:
        """The encoder's features, finest first."""
        return list(self.mobile(frames))

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Put ImageNet's weights into the encoder."""
        self.mobile.load(tensors)

    def learning_rates(self) -> dict[str, float]:
        """A lower rate in an encoder that begins with weights worth keeping."""
        if self.pretrained is None:
            return {}
        return {name: self.config.rate for name, _ in self.named_parameters() if name.startswith("mobile.")}
