"""Architectures by name. A new one is one folder here and one line in ``MODELS``."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

from ..errors import InputError
from .architecture import Architecture
from .attention_unet import AttentionUNet, AttentionUNetConfig
from .mirrored import Mirrored
from .mobile_unet import MobileUNet, MobileUNetConfig
from .output import Output, SegmentationModel, probabilities
from .transcgu import TransCGUNet, TransCGUNetConfig
from .unet import UNet, UNetConfig
from .vgg16_unet import VGG16UNet, VGG16UNetConfig
from .zoo import ZOO

__all__ = [
    "MODELS",
    "Architecture",
    "Output",
    "SegmentationModel",
    "build",
    "check_settings",
    "every_setting",
    "probabilities",
]

Setting = bool | int | float | str
"""A value in a network's settings."""

MIRRORED = "mirrored"
"""The setting that every network has: to be `Mirrored`."""


_UNET = UNetConfig(width=48, widest=384, fold=2, norm="instance", deep_supervision=2)
_NARROWER = (32, 24)

MODELS: dict[str, Architecture] = {
    "unet": Architecture(UNet, UNetConfig, _UNET, "U-Net on pixels folded 2 x 2; the default", _NARROWER),
    "attention-unet": Architecture(
        AttentionUNet,
        AttentionUNetConfig,
        AttentionUNetConfig(**_UNET.model_dump()),
        "Attention U-Net: the default with gates on its skips",
        _NARROWER,
    ),
    "vgg16-unet": Architecture(
        VGG16UNet,
        VGG16UNetConfig,
        VGG16UNetConfig(frozen=2),
        "U-Net with VGG16 as encoder, ImageNet's weights: 'sononerve weights import vgg16' first",
    ),
    "mobile-unet": Architecture(
        MobileUNet,
        MobileUNetConfig,
        MobileUNetConfig(),
        "U-Net on an encoder for phones, ImageNet's weights: 'sononerve weights import mobilenet_v2' first",
    ),
    "transcgu-net": Architecture(
        TransCGUNet,
        TransCGUNetConfig,
        TransCGUNetConfig(),
        "Transformer, gates, presence and box: mask, whether there is a nerve, and where",
        _NARROWER,
    ),
    "unet-notebook": Architecture(
        UNet,
        UNetConfig,
        UNetConfig.notebook(),
        "The published notebook's U-Net, a reference: --size 128 --set loss.dice=0",
    ),
    **ZOO,
}


def check_settings(name: str, settings: Mapping[str, Setting]) -> BaseModel:
    """A network's settings, the usual ones changed by ``settings``; raise `InputError` for an unknown name or value.

    The setting `MIRRORED`, which all have, is checked and left out.
    """
    if name not in MODELS:
        raise InputError(f"--model {name}: unknown; expected one of {', '.join(MODELS)}")
    if not isinstance(settings.get(MIRRORED, False), bool):
        raise InputError(f"--set network.{MIRRORED}={settings[MIRRORED]}: expected true or false")
    own = {key: value for key, value in settings.items() if key != MIRRORED}
    architecture = MODELS[name]
    try:
        return architecture.settings.model_validate(architecture.usual.model_dump() | own)
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f".{part}" for part in first["loc"])
        known, fault = ", ".join([*architecture.settings.model_fields, MIRRORED]), first["msg"]
        fault = fault.removeprefix("Value error, ")
        raise InputError(f"--set network{field}: {fault}; {name} knows {known}") from error


def every_setting(name: str, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """All of a network's settings, the usual ones too, so that a file that holds them means the same network later.

    Raises `InputError` as `check_settings` does.

    >>> every_setting("unet", {"width": 8})["norm"]
    'instance'
    """
    return check_settings(name, settings).model_dump() | {MIRRORED: bool(settings.get(MIRRORED, False))}


def build(name: str, settings: Mapping[str, Setting], classes: int) -> SegmentationModel:
    """Build the network ``name`` for ``classes`` classes without the background, freshly initialised.

    >>> build("unet", {"width": 8}, classes=1).divisor
    32
    """
    checked = check_settings(name, settings)
    network = MODELS[name].network(checked, classes)
    return Mirrored(network) if settings.get(MIRRORED) else network
