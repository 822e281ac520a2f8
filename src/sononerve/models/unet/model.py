"""U-Net after Ronneberger, Fischer and Brox, 2015 (arXiv:1505.04597), with padding and normalisation."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, cast

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..judge import Judge
from ..norm import InstanceNorm
from ..output import Output, SegmentationModel


class UNetConfig(BaseModel):
    """Settings of a `UNet`.

    ``width``: channels of the first level, doubled per level up to ``widest``. ``depth``: number of levels.
    ``fold``: so many pixels a side are folded into channels before the first level and unfolded after the last
    (Shi et al., 2016, arXiv:1609.05158): few channels on many pixels are what a CPU is worst at.
    ``upsample``: a learned transposed convolution of 2 x 2 or 3 x 3, or bilinear. ``deep_supervision``: so many coarser
    decoder levels also predict, for the loss in training. ``dropout``: of single values, after each downward level and
    before each upward one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=32, ge=1, le=512)
    widest: int = Field(default=512, ge=1)
    depth: int = Field(default=5, ge=2, le=8)
    fold: int = Field(default=1, ge=1, le=8)
    norm: Literal["batch", "instance", "group", "none"] = "batch"
    activation: Literal["relu", "leaky_relu", "silu"] = "relu"
    upsample: Literal["transpose2", "transpose3", "bilinear"] = "transpose2"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    convolution_bias: bool = False
    deep_supervision: int = Field(default=0, ge=0)

    @classmethod
    def notebook(cls) -> UNetConfig:
        """The settings of the published notebook for this task: 2.16 million parameters."""
        return cls(width=16, depth=5, dropout=0.05, upsample="transpose3", convolution_bias=True)

    def widths(self) -> list[int]:
        """Channels of each level, finest first."""
        return [min(self.width * 2**level, self.widest) for level in range(self.depth)]


class UNet(SegmentationModel):
    """Encoder and decoder of ``depth`` levels, two 3 x 3 convolutions each, joined by skips.

    ``skips``: channels of each level of another encoder, finest first; a class with one overrides `features`.

    >>> UNet(UNetConfig(width=8, depth=3), classes=2)(torch.zeros(1, 1, 64, 96)).logits.shape
    torch.Size([1, 2, 64, 96])
    """

    def __init__(self, config: UNetConfig, classes: int, inputs: int = 1, skips: list[int] | None = None) -> None:
        """``inputs``: channels of what it sees, the frame and what else there is."""
        super().__init__()
        widths = config.widths()
        self.divisor = config.fold * 2 ** (config.depth - 1)
        if skips is None:
            into = [inputs * config.fold**2, *widths[:-1]]
            self.encoder = nn.ModuleList(_Level(a, b, config) for a, b in zip(into, widths, strict=True))
            skips = widths
        self.skips = skips
        self.judge: Judge | None = None
        coarser = [skips[-1], *widths[-2:0:-1]]
        rising = list(zip(coarser, widths[-2::-1], skips[-2::-1], strict=True))
        self.rise = nn.ModuleList(_upsample(coarse, fine, config) for coarse, fine, _ in rising)
        self.decoder = nn.ModuleList(_Level(fine + skip, fine, config) for _, fine, skip in rising)
        self.head = nn.Conv2d(widths[0], classes * config.fold**2, 1)
        deeper = widths[1 : 1 + min(config.deep_supervision, config.depth - 2)]
        self.deeper_heads = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in deeper)
        self.fold, self.unfold = nn.PixelUnshuffle(config.fold), nn.PixelShuffle(config.fold)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(config.dropout)

    def add_judge(self) -> Judge:
        """Put a judge of presence beside the decoder, and return it: what it says means nothing yet."""
        self.judge, self.heads = Judge(self.skips), ("presence",)
        return self.judge

    def forward(self, frames: Float[Tensor, "n k h w"]) -> Output:
        """``(N, inputs, H, W)`` to an `Output`; H and W are multiples of ``divisor``."""
        skips = self.features(frames)
        levels = [skips[-1]]
        for number, skip in enumerate(skips[-2::-1]):
            levels.append(self.climb(number, levels[-1], skip))
        return self.judged(self.answer(levels), skips)

    def features(self, frames: Float[Tensor, "n k h w"]) -> list[Tensor]:
        """The features of every level, finest first."""
        skips: list[Tensor] = []
        features = self.fold(frames)
        for level in self.encoder:
            if skips:
                features = self.dropout(self.pool(features))
            features = level(features)
            skips.append(features)
        return skips

    def climb(self, number: int, coarser: Float[Tensor, "n c h w"], skip: Tensor) -> Tensor:
        """Step ``number`` of the decoder, coarsest first: features of the skip's size from it and the coarser ones."""
        return self.join(number, self.rise[number](coarser), skip)

    def join(self, number: int, risen: Float[Tensor, "n _c h w"], skip: Float[Tensor, "n _d h w"]) -> Tensor:
        """Level ``number`` of the decoder, from the coarser features, brought to the skip's size, and the skip."""
        return cast(Tensor, self.decoder[number](self.dropout(torch.cat([risen, skip], dim=1))))

    def judged(self, output: Output, skips: list[Tensor]) -> Output:
        """The output with what the judge says of the encoder's features, finest first, where there is a judge."""
        return output if self.judge is None else replace(output, presence=self.judge(skips))

    def answer(self, levels: list[Tensor]) -> Output:
        """The logits from the decoder's features, coarsest first."""
        deeper: tuple[Tensor, ...] = ()
        if self.training:
            deeper = tuple(head(f) for head, f in zip(self.deeper_heads, levels[-2::-1], strict=False))
        return Output(logits=self.unfold(self.head(levels[-1])), deeper=deeper)


class _Level(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, config: UNetConfig) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=config.convolution_bias))
            layers += [_norm(outputs, config), _activation(config)]
        super().__init__(*layers)


def _norm(channels: int, config: UNetConfig) -> nn.Module:
    if config.norm == "batch":
        return nn.BatchNorm2d(channels)
    if config.norm == "instance":
        return InstanceNorm(channels)
    if config.norm == "group":
        return nn.GroupNorm(math.gcd(8, channels), channels)
    return nn.Identity()


def _activation(config: UNetConfig) -> nn.Module:
    if config.activation == "silu":
        return nn.SiLU(inplace=True)
    return nn.LeakyReLU(0.01, inplace=True) if config.activation == "leaky_relu" else nn.ReLU(inplace=True)


def _upsample(coarse: int, fine: int, config: UNetConfig) -> nn.Module:
    if config.upsample == "transpose2":
        return nn.ConvTranspose2d(coarse, fine, 2, stride=2)
    if config.upsample == "transpose3":
        return nn.ConvTranspose2d(coarse, fine, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(coarse, fine, 1))
