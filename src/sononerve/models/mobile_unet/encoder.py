"""MobileNetV2 and EfficientNet-lite0 as encoders of grey frames: inverted residuals, cheap on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from ..imported import take_over

EncoderName = Literal["mobilenet_v2", "efficientnet_lite0"]
STEM = 32


class Blocks(NamedTuple):
    """Blocks in a row; ``wider``: how many times inside, ``stride``: of the first one."""

    kernel: int
    wider: int
    channels: int
    repeated: int
    stride: int


@dataclass(frozen=True)
class Design:
    """What an encoder is made of. ``epsilon``: of its normalisations."""

    called: str
    rows: tuple[Blocks, ...]
    epsilon: float


DESIGNS: dict[EncoderName, Design] = {
    "mobilenet_v2": Design(
        "MobileNetV2",
        (
            Blocks(3, 1, 16, 1, 1),
            Blocks(3, 6, 24, 2, 2),
            Blocks(3, 6, 32, 3, 2),
            Blocks(3, 6, 64, 4, 2),
            Blocks(3, 6, 96, 3, 1),
            Blocks(3, 6, 160, 3, 2),
            Blocks(3, 6, 320, 1, 1),
        ),
        epsilon=1e-5,
    ),
    "efficientnet_lite0": Design(
        "EfficientNet-lite0",
        (
            Blocks(3, 1, 16, 1, 1),
            Blocks(3, 6, 24, 2, 2),
            Blocks(5, 6, 40, 2, 2),
            Blocks(3, 6, 80, 3, 2),
            Blocks(5, 6, 112, 3, 1),
            Blocks(5, 6, 192, 4, 2),
            Blocks(3, 6, 320, 1, 1),
        ),
        epsilon=1e-3,
    ),
}
"""Sandler et al., 2018, arXiv:1801.04381, table 2; Tan and Le, 2019, arXiv:1905.11946, table 1, without squeezes."""


class MobileEncoder(nn.Module):
    """Everything before the last 1 x 1 convolution; the features at sides H/2, H/4, ... H/32.

    Parameters have the names of torchvision's MobileNetV2. The first kernel has one input channel, as in
    `VGG16Encoder`. All convolutions are padded alike on both sides, where EfficientNet-lite0 was trained with strided
    ones padded at the far side alone: its features lie up to half a stride further left and up.
    """

    def __init__(self, name: EncoderName) -> None:
        super().__init__()
        self.design = DESIGNS[name]
        self.features = nn.Sequential(_convolution(1, STEM, kernel=3, stride=2))
        self.widths: list[int] = []
        self.ends: list[int] = []
        """Which of the features is the last of each size."""
        inputs = STEM
        for row in self.design.rows:
            for number in range(row.repeated):
                step = row.stride if number == 0 else 1
                if step == 2:
                    self._level_ends(inputs)
                self.features.append(_Block(inputs, row, step))
                inputs = row.channels
        self._level_ends(inputs)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = self.design.epsilon

    def _level_ends(self, channels: int) -> None:
        self.widths.append(channels)
        self.ends.append(len(self.features) - 1)

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """The features of each size, finest first; H and W are multiples of 32."""
        found: list[Tensor] = []
        features = frames
        for place, block in enumerate(self.features):
            features = block(features)
            if place in self.ends:
                found.append(features)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over imported weights, under the names they came with; raise `ValueError` where some do not fit."""
        named = {renamed(name): values for name, values in tensors.items()}
        take_over(self, named, first="features.0.0.weight", of=self.design.called)


OUTSIDE = {"_conv_stem": "features.0.0", "_bn0": "features.0.1"}
INSIDE = {
    "_expand_conv": "0.0",
    "_bn0": "0.1",
    "_depthwise_conv": "1.0",
    "_bn1": "1.1",
    "_project_conv": "2",
    "_bn2": "3",
}
FIRST = {"_depthwise_conv": "0.0", "_bn1": "0.1", "_project_conv": "1", "_bn2": "2"}


def renamed(name: str) -> str:
    """The name here of a parameter of EfficientNet-lite0; others keep theirs.

    >>> renamed("_blocks.3._project_conv.weight")
    'features.4.conv.2.weight'
    """
    parts = name.split(".")
    if parts[0] in OUTSIDE:
        return ".".join([OUTSIDE[parts[0]], *parts[1:]])
    if parts[0] != "_blocks" or len(parts) < 4:
        return name
    places = FIRST if parts[1] == "0" else INSIDE
    if parts[2] not in places:
        return name
    return ".".join(["features", str(int(parts[1]) + 1), "conv", places[parts[2]], *parts[3:]])


class _Block(nn.Module):
    """An inverted residual: wider by a 1 x 1 convolution, filtered channel by channel, narrow without activation."""

    def __init__(self, inputs: int, row: Blocks, stride: int) -> None:
        super().__init__()
        inside = inputs * row.wider
        widening = [] if row.wider == 1 else [_convolution(inputs, inside, kernel=1)]
        self.conv = nn.Sequential(
            *widening,
            _convolution(inside, inside, row.kernel, stride, groups=inside),
            nn.Conv2d(inside, row.channels, 1, bias=False),
            nn.BatchNorm2d(row.channels),
        )
        self.residual = stride == 1 and inputs == row.channels

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _d _h _w"]:
        """Features of the next block."""
        found: Tensor = self.conv(features)
        return features + found if self.residual else found


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))
