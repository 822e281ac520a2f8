"""TransCGU-Net, the transformer-based conditional gated U-Net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from ..output import Encoded, FilteringModel, Head, Output
from ..unet import UNet, UNetConfig
from ..vgg16_unet.encoder import STAGES, VGG16Encoder
from .context import Context
from .gate import ConditionalGate


class TransCGUNetConfig(BaseModel):
    """Settings of a `TransCGUNet`.

    ``encoder``: "own" is that of the U-Net, of ``depth`` levels with ``width`` channels doubled up to ``widest``, on
    pixels folded ``fold`` a side; "vgg16" the convolutions of VGG16 on whole pixels, which begin with the imported
    ``weights`` of that name or at random, and learn with ``rate`` times the learning rate in the last stage and
    ``rate_decay`` of that per stage before. The decoder has the channels of the own encoder's levels. ``layers``
    transformer layers of ``attention_heads`` heads are at the bottleneck. ``gates``: whether the skips pass conditional
    gates. ``presence``, ``box``: whether the network has these branches. ``deep_supervision``: so many coarser decoder
    levels also predict, for the loss in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: Literal["own", "vgg16"] = "own"
    weights: Literal["vgg16", "none"] = "vgg16"
    rate: float = Field(default=0.1, gt=0, le=1)
    rate_decay: float = Field(default=0.8, gt=0, le=1)
    width: int = Field(default=48, ge=1, le=512)
    widest: int = Field(default=384, ge=4)
    depth: int = Field(default=5, ge=2, le=8)
    fold: int = Field(default=2, ge=1, le=8)
    layers: int = Field(default=3, ge=0, le=24)
    attention_heads: int = Field(default=8, ge=1)
    gates: bool = True
    presence: bool = True
    box: bool = True
    deep_supervision: int = Field(default=2, ge=0)

    def unet(self) -> UNetConfig:
        """Settings of the U-Net that it is a part of."""
        return UNetConfig(
            width=self.width,
            widest=self.widest,
            depth=self.depth,
            fold=self.fold,
            norm="instance",
            deep_supervision=self.deep_supervision,
        )

    @model_validator(mode="after")
    def _fits(self) -> TransCGUNetConfig:
        if self.encoder == "vgg16" and (self.depth > len(STAGES) or self.fold > 1):
            raise ValueError(f"VGG16 has {len(STAGES)} stages on whole pixels; expected no greater depth, and fold=1")
        channels = STAGES[self.depth - 1][-1] if self.encoder == "vgg16" else self.unet().widths()[-1]
        if channels % 4 or channels % self.attention_heads:
            raise ValueError(f"the last level has {channels} channels; expected a multiple of 4 and of attention_heads")
        return self


class TransCGUNet(FilteringModel, UNet):
    """An encoder, a transformer over its last features, and a decoder whose skips pass conditional gates.

    Presence is read from the class token, the box from a token of its own.

    >>> config = TransCGUNetConfig(width=8, widest=16, depth=3, fold=1, layers=1, attention_heads=2)
    >>> answer = TransCGUNet(config, classes=2)(torch.zeros(3, 1, 64, 96))
    >>> answer.logits.shape, answer.presence.shape, answer.box.shape
    (torch.Size([3, 2, 64, 96]), torch.Size([3]), torch.Size([3, 4]))
    """

    def __init__(self, config: TransCGUNetConfig, classes: int) -> None:
        vgg16 = VGG16Encoder(config.depth) if config.encoder == "vgg16" else None
        super().__init__(config.unet(), classes, skips=None if vgg16 is None else vgg16.widths)
        self.config, self.vgg16 = config, vgg16
        self.heads = tuple(head for head in HEADS if getattr(config, head))
        self.pretrained = None if vgg16 is None or config.weights == "none" else config.weights
        widths = config.unet().widths()
        skips = widths if vgg16 is None else vgg16.widths
        self.context = Context(skips[-1], config.layers, config.attention_heads)
        if config.presence:
            self.presence_head = nn.Linear(skips[-1], 1)
        if config.box:
            self.box_head = nn.Sequential(nn.Linear(skips[-1], skips[-1]), nn.GELU(), nn.Linear(skips[-1], 4))
        rising = list(zip(skips, widths, strict=True))[-2::-1] if config.gates else []
        self.gates = nn.ModuleList(ConditionalGate(skip, fine, skips[-1]) for skip, fine in rising)

    def features(self, frames: Float[Tensor, "n 1 h w"]) -> list[Tensor]:
        """The features of every level of the encoder, finest first."""
        return super().features(frames) if self.vgg16 is None else list(self.vgg16(frames))

    def encode(self, frames: Float[Tensor, "n 1 h w"]) -> Encoded:
        """All but the decoder: ``(N, 1, H, W)``; H and W are multiples of ``divisor``."""
        *skips, last = self.features(frames)
        features, token, box_token = self.context(last)
        return Encoded(
            skips=tuple(skips),
            features=features,
            token=token,
            presence=self.presence_head(token)[:, 0] if self.config.presence else None,
            box=torch.sigmoid(self.box_head(box_token)) if self.config.box else None,
        )

    def decode(self, encoded: Encoded) -> Output:
        """The mask from what `encode` found."""
        levels, gates = [encoded.features], list[Tensor]()
        for number, skip in enumerate(encoded.skips[::-1]):
            risen = self.rise[number](levels[-1])
            if self.config.gates:
                gates.append(self.gates[number](skip, risen, encoded.token, encoded.presence))
            levels.append(self.join(number, risen, skip * gates[-1] if self.config.gates else skip))
        return replace(self.answer(levels), presence=encoded.presence, box=encoded.box, gates=tuple(gates[::-1]))

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Put VGG16's weights into the encoder."""
        assert self.vgg16 is not None
        self.vgg16.load(tensors)

    def learning_rates(self) -> dict[str, float]:
        """Lower rates in an encoder that begins with weights worth keeping."""
        if self.vgg16 is None or self.pretrained is None:
            return {}
        return {f"vgg16.{name}": f for name, f in self.vgg16.rates(self.config.rate, self.config.rate_decay).items()}


HEADS: tuple[Head, ...] = ("presence", "box")
