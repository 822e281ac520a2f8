"""Networks of MONAI's. A new one is one line in ``KNOWN``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ...errors import InputError
from ..architecture import Architecture
from ..norm import own_instance_norms
from ..output import Output, SegmentationModel


class MonaiConfig(BaseModel):
    """Settings of a `Monai`: ``width``, channels of its finest level, which the others follow; ``dropout``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=32, ge=1, le=512)
    dropout: float = Field(default=0.0, ge=0, lt=1)


@dataclass(frozen=True)
class Known:
    """A class of ``monai.networks.nets`` by its name, and its arguments beside dimensions, inputs and outputs."""

    network: str
    arguments: Callable[[MonaiConfig], dict[str, object]]
    divisor: int
    width: int
    sentence: str


def _six(config: MonaiConfig) -> dict[str, object]:
    width = config.width
    return {"features": (width, width, 2 * width, 4 * width, 8 * width, width), "dropout": config.dropout}


def _nested(config: MonaiConfig) -> dict[str, object]:
    return {**_six(config), "deep_supervision": True}  # all four branches answer; `Monai` takes their mean


def _doubling(config: MonaiConfig) -> dict[str, object]:
    widths = tuple(config.width * 2**level for level in range(5))
    return {"channels": widths, "strides": (2,) * 4, "dropout": config.dropout}


def _residual(config: MonaiConfig) -> dict[str, object]:
    return {"init_filters": config.width, "dropout_prob": config.dropout or None}


def _windows(config: MonaiConfig) -> dict[str, object]:
    return {"feature_size": config.width, "drop_rate": config.dropout}


KNOWN: dict[str, Known] = {
    "monai-basicunet": Known("BasicUNet", _six, 16, 32, "MONAI's plain U-Net"),
    "monai-unetplusplus": Known(
        "BasicUNetPlusPlus", _nested, 16, 32, "U-Net++: nested skips, the mean of its branches"
    ),
    "monai-attentionunet": Known("AttentionUnet", _doubling, 16, 32, "U-Net with attention gates on its skips"),
    "monai-segresnet": Known("SegResNet", _residual, 8, 16, "residual blocks, a light decoder; won BraTS 2018"),
    "monai-swinunetr": Known("SwinUNETR", _windows, 32, 24, "transformer over shifted windows, U-Net decoder"),
}


class Monai(SegmentationModel):
    """A network of MONAI's that answers with logits, or with several whose mean is taken.

    Its instance normalisation with learned scale is replaced by `InstanceNorm`, which is the same sum. Raises
    `InputError` for settings that the network does not take.
    """

    def __init__(self, known: Known, config: MonaiConfig, classes: int) -> None:
        super().__init__()
        from monai.networks import nets

        self.divisor = known.divisor
        try:
            network = getattr(nets, known.network)(
                spatial_dims=2, in_channels=1, out_channels=classes, **known.arguments(config)
            )
        except ValueError as error:
            raise InputError(f"--set network.width={config.width}: {known.network} refuses it: {error}") from error
        self.network = own_instance_norms(network)

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """``(N, 1, H, W)`` to an `Output`; H and W are multiples of ``divisor``."""
        logits = self.network(frames)
        return Output(logits=torch.stack(logits).mean(0) if isinstance(logits, list) else logits)


MONAI: dict[str, Architecture] = {
    name: Architecture(partial(Monai, known), MonaiConfig, MonaiConfig(width=known.width), known.sentence)
    for name, known in KNOWN.items()
}
