"""The 13 convolutions of VGG16 as an encoder (Simonyan and Zisserman, 2015, arXiv:1409.1556), for grey frames."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..imported import take_over

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions of each stage; between two stages the sides are halved."""


class VGG16Encoder(nn.Module):
    """The first ``stages`` stages, 1 to 5; each gives its last features, at sides H, H/2, ... H/16.

    Parameters have torchvision's names. The first kernel has one input channel: a frame is grey, so what the kernel
    does to three equal channels is done by its sum over them. The canvas is already normalised to mean 0 and deviation
    1, which is what ImageNet's mean and deviation make of photographs on average.
    """

    def __init__(self, stages: int = len(STAGES)) -> None:
        super().__init__()
        self.widths = [widths[-1] for widths in STAGES[:stages]]
        self.features = nn.Sequential()
        self.names: list[list[str]] = []
        place, inputs = 0, 1
        for widths in STAGES[:stages]:
            self.names.append([])
            for outputs in widths:
                self.features.add_module(str(place), _convolution(inputs, outputs))
                self.names[-1] += [f"features.{place}.weight", f"features.{place}.bias"]
                place, inputs = place + 2, outputs  # a ReLU stands between two convolutions
            place += 1  # and a pooling between two stages
        self.pool = nn.MaxPool2d(2)

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """The features of each stage, finest first."""
        found: list[Tensor] = []
        features = frames
        for stage in self.names:
            features = self.pool(features) if found else features
            for name in stage[::2]:
                features = torch.relu(self.features.get_submodule(name.split(".")[1])(features))
            found.append(features)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over torchvision's ``features.N.weight`` and ``.bias``; raise `ValueError` where some do not fit."""
        take_over(self, tensors, first="features.0.weight", of="VGG16")

    def freeze(self, stages: int) -> None:
        """Let the first ``stages`` stages stay as they are, and the others learn."""
        frozen = {name for stage in self.names[:stages] for name in stage}
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name not in frozen)

    def rates(self, rate: float, decay: float) -> dict[str, float]:
        """A factor on the learning rate by parameter: ``rate`` in the last stage, times ``decay`` per stage before."""
        last = len(self.names) - 1
        return {name: rate * decay ** (last - i) for i, stage in enumerate(self.names) for name in stage}


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """One that keeps the spread of its features without any normalisation (He 2015, arXiv:1502.01852)."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
