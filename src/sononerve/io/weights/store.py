"""Where imported weights are kept on this machine: one safetensors file each, which says where it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ...errors import InputError
from ..atomic import write_bytes
from ..home import home
from .array_pickle import Array
from .known import KNOWN, Preprocessing

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NOT_TRAINED = (".running_mean", ".running_var", ".num_batches_tracked")


@dataclass(frozen=True)
class Origin:
    """Where weights came from; kept in the header of their file. ``sha256`` is that of the file they were read from."""

    name: str
    source: str
    version: str
    licence: str
    sha256: str
    preprocessing: Preprocessing | None = None


def weights_path(name: str) -> Path:
    """The file for the weights ``name``, there or not; raises `InputError` for a name that is none."""
    if NAME.fullmatch(name) is None:
        raise InputError(f"{name!r}: not a name for weights; expected letters, digits, '.', '_' and '-'")
    return home() / "weights" / f"{name}.safetensors"


def find_weights(name: str) -> Path:
    """The safetensors file of imported weights; raises `InputError` with the command that imports them."""
    path = weights_path(name)
    if path.is_file():
        return path
    if name in KNOWN:
        raise InputError(
            f"{name}: these weights are not on this machine; get them with: sononerve weights import {name} "
            "(without a network: --from FILE)"
        )
    raise InputError(
        f"{name}: no such weights; known are {', '.join(KNOWN)}, others come with: sononerve weights import {name} "
        "--from FILE"
    )


def write_weights(tensors: Mapping[str, Array], origin: Origin) -> Path:
    """Write the weights into the store, whole or not at all, and return their file."""
    path = weights_path(origin.name)
    header = {key: value for key, value in asdict(origin).items() if isinstance(value, str)}
    header["format"] = "pt"  # what other readers of safetensors look for
    if origin.preprocessing is not None:
        header["preprocessing"] = json.dumps(asdict(origin.preprocessing))
    whole = {name: values.copy(order="C") for name, values in tensors.items()}  # save() takes memory as it lies
    write_bytes(path, save(whole, header))
    return path


def parameter_count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many numbers were trained: all but running statistics."""
    total = 0
    for name, shape in shapes.items():
        size = 1
        for length in shape:
            size *= length
        total += 0 if name.endswith(NOT_TRAINED) else size
    return total


@dataclass(frozen=True)
class Listed:
    """A line of the list of weights; ``path`` is None where they are not on this machine."""

    name: str
    path: Path | None
    parameters: int
    licence: str
    source: str


def list_weights() -> list[Listed]:
    """The known weights and those in the store, by name; raises `InputError` for a damaged file in the store."""
    here = {path.stem: path for path in (home() / "weights").glob("*.safetensors") if NAME.fullmatch(path.stem)}
    absent = [
        Listed(name, None, known.parameters, known.licence, known.source)
        for name, known in KNOWN.items()
        if name not in here
    ]
    return sorted([*absent, *(_listed(name, path) for name, path in here.items())], key=lambda line: line.name)


def _listed(name: str, path: Path) -> Listed:
    try:
        with safe_open(path, "np") as file:
            header = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not whole ({error}); remove it and import {name} again") from error
    licence, source = (header.get(key, "unknown") for key in ("licence", "source"))
    return Listed(name, path, parameter_count(shapes), licence, source)
