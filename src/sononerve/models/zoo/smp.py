"""Networks of segmentation-models-pytorch, on its encoders and on timm's. A new one is one line in ``KNOWN``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from torch import Tensor

from ...errors import InputError
from ...torchvision import make_importable
from ..architecture import Architecture
from ..output import Output, SegmentationModel

PACKAGE = "segmentation_models_pytorch"


class SmpConfig(BaseModel):
    """Settings of an `Smp`.

    ``encoder``: the name of one of segmentation-models-pytorch's encoders, or ``tu-`` and the name of one of timm's
    networks. ``weights``: none, or the imported weights that the encoder of the same name begins with. ``rate``: factor
    on the learning rate of an encoder that begins with weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = "resnet34"
    weights: Literal["none", "mobilenet_v2", "vgg16"] = "none"
    rate: float = Field(default=0.1, gt=0, le=1)

    @field_validator("weights")
    @classmethod
    def _are_the_encoders(cls, weights: str, info: ValidationInfo) -> str:
        encoder = info.data.get("encoder")
        if weights not in ("none", encoder):
            raise ValueError(f"{weights} are weights of the encoder {weights}, not of {encoder}")
        return weights


KNOWN: dict[str, tuple[str, str]] = {
    "smp-unet": ("resnet34", "U-Net on an encoder by name, ResNet-34 unless told"),
    "smp-unetplusplus": ("resnet34", "U-Net++: nested skips between encoder and decoder"),
    "smp-deeplabv3plus": ("resnet34", "DeepLabV3+: dilated convolutions of several rates, a small decoder"),
    "smp-segformer": ("mit_b0", "SegFormer: transformer encoder of four levels, a decoder of plain layers"),
}
"""For each name the encoder that it has unless told, and a sentence; what follows ``smp-`` is the library's name."""


class Smp(SegmentationModel):
    """A network of segmentation-models-pytorch.

    ``name`` is the library's for the architecture. It never downloads weights. Raises `InputError` where the library
    is not installed, or has no such encoder for this architecture.
    """

    divisor = 32

    def __init__(self, name: str, config: SmpConfig, classes: int) -> None:
        super().__init__()
        library = _library(name)
        refused = f"--set network.encoder={config.encoder}: smp-{name}"
        if not _is_encoder(config.encoder):
            raise InputError(
                f"{refused}: no such encoder; expected a name of {PACKAGE}.encoders.get_encoder_names(), or tu- and a "
                "name of timm.list_models()"
            )
        try:
            self.network = library.create_model(
                name, encoder_name=config.encoder, encoder_weights=None, in_channels=1, classes=classes
            )
        except ValueError as error:
            raise InputError(f"{refused} cannot be built on it ({error}); choose another encoder") from error
        self.pretrained = None if config.weights == "none" else config.weights
        self.rate = config.rate

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """``(N, 1, H, W)`` to an `Output`; H and W are multiples of ``divisor``."""
        if self.training and len(frames) == 1:  # a normalisation by batch wants more than one value of a channel
            return Output(logits=self.network(torch.cat([frames, frames]))[:1])
        return Output(logits=self.network(frames))

    def load_pretrained(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin the encoder with ImageNet's weights; the kernels of the first layer are summed over red, green, blue.

        So a grey frame is answered as a colour picture with three equal channels would be.
        """
        own = self.network.encoder.state_dict()
        fitting = {name: values.float() for name, values in tensors.items() if name in own}
        for name, values in fitting.items():
            if own[name].ndim == 4 and own[name].shape[1] == 1 and values.shape[1] == 3:
                fitting[name] = values.sum(1, keepdim=True)
        try:
            self.network.encoder.load_state_dict(fitting)
        except RuntimeError as error:
            raise ValueError(str(error)) from error

    def learning_rates(self) -> dict[str, float]:
        """A lower rate in an encoder that begins with weights worth keeping."""
        if self.pretrained is None:
            return {}
        return {name: self.rate for name, _ in self.named_parameters() if name.startswith("network.encoder.")}


def _library(name: str) -> ModuleType:
    make_importable()
    try:
        return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise InputError(
            f"--model smp-{name}: needs segmentation-models-pytorch, which does not import ({error}); install it with: "
            "pip install 'sononerve[zoo]'"
        ) from error


def _is_encoder(name: str) -> bool:
    import timm
    from segmentation_models_pytorch.encoders import get_encoder_names

    return timm.is_model(name[3:]) if name.startswith("tu-") else name in get_encoder_names()


SMP: dict[str, Architecture] = {
    name: Architecture(
        partial(Smp, name.removeprefix("smp-")), SmpConfig, SmpConfig(encoder=encoder), sentence, extra="zoo"
    )
    for name, (encoder, sentence) in KNOWN.items()
}
