"""MobileNetV2 as an encoder (Sandler et al., 2018, arXiv:1801.04381, table 2), for grey frames."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from ..imported import take_over

STEM = 32
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""A row of blocks each: how many times wider they are inside, their channels, their number, the first one's stride."""


class MobileNetV2Encoder(nn.Module):
    """Everything of MobileNetV2 before its last 1 x 1 convolution; the features at sides H/2, H/4, ... H/32.

    Parameters have torchvision's names. The first kernel has one input channel, as in `VGG16Encoder`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(_convolution(1, STEM, kernel=3, stride=2))
        self.widths: list[int] = []
        self.ends: list[int] = []
        """Which of the features is the last of each size."""
        inputs = STEM
        for wider, outputs, count, stride in BLOCKS:
            for number in range(count):
                step = stride if number == 0 else 1
                if step == 2:
                    self._level_ends(inputs)
                self.features.append(_Block(inputs, outputs, wider, step))
                inputs = outputs
        self._level_ends(inputs)

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
        """Take over torchvision's ``features.N...``; raise `ValueError` where some do not fit."""
        take_over(self, tensors, first="features.0.0.weight", of="MobileNetV2")


class _Block(nn.Module):
    """An inverted residual: wider by a 1 x 1 convolution, 3 x 3 in each channel, narrow again without activation."""

    def __init__(self, inputs: int, outputs: int, wider: int, stride: int) -> None:
        super().__init__()
        inside = inputs * wider
        widening = [] if wider == 1 else [_convolution(inputs, inside, kernel=1)]
        self.conv = nn.Sequential(
            *widening,
            _convolution(inside, inside, kernel=3, stride=stride, groups=inside),
            nn.Conv2d(inside, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _d _h _w"]:
        """Features of the next block."""
        found: Tensor = self.conv(features)
        return features + found if self.residual else found


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))
