"""From a file of somebody's weights to named arrays: safetensors, PyTorch's two formats, and a plain pickle of arrays.

Sources of the formats: PyTorch's ``torch/serialization.py`` (the zip since version 1.6, and the "legacy" row of pickles
before), and https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import functools
import io
import math
import zipfile
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...errors import InputError
from .array_pickle import BFLOAT16, Array, NotArraysError, PickledArray, Storage, TensorView, read_pickle

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_BYTES = 2_000_000_000
MOST_TENSORS = 20_000
SHRINK_MOST = 100  # bytes unpacked per byte in a zip; weights hardly shrink, bombs do
STATE = "state_dict"
SAFETENSORS_DTYPES = {
    **{"F16": "f2", "F32": "f4", "F64": "f8", "BF16": BFLOAT16, "BOOL": "b1"},
    **{"I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8", "U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8"},
}

Read = Callable[[Storage], Array]


def read_arrays(content: bytes, source: str) -> dict[str, Array]:
    """Read named arrays from a file's bytes; of a training's checkpoint those in its ``state_dict``.

    Nested names are joined with dots. Raises `InputError`, naming ``source``, where it holds anything but arrays;
    nothing that a file asks for is run.
    """
    try:
        if content[:4] == b"PK\x03\x04":
            tensors = _from_torch_zip(content)
        elif content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8:
            tensors = _from_safetensors(content)  # its length may begin as a pickle does
        elif content[:1] == b"\x80":
            tensors = _from_pickle(io.BytesIO(content))
        else:
            raise NotArraysError("its first bytes are of none of them")
        if not tensors:
            raise NotArraysError("there are no arrays in it")
    except Exception as error:  # zipfile and its decompressors raise whatever a damaged file makes them raise
        reason = "".join(letter for letter in str(error) if letter.isprintable()) or type(error).__name__
        raise InputError(
            f"{source}: weights cannot be read from it ({reason}); expected safetensors, a PyTorch checkpoint, or a "
            "pickle of NumPy arrays, with arrays alone"
        ) from error
    return tensors


def _from_safetensors(content: bytes) -> dict[str, Array]:
    from safetensors import SafetensorError, deserialize

    try:
        specs = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise NotArraysError(str(error)) from error
    found: dict[str, Array] = {}
    for name, spec in specs:
        if spec["dtype"] not in SAFETENSORS_DTYPES:
            raise NotArraysError(f"{name[:80]} is of the type {spec['dtype']}")
        storage = Storage(name, SAFETENSORS_DTYPES[spec["dtype"]], math.prod(spec["shape"]))
        found[name] = _numbers(bytes(spec["data"]), storage).reshape(spec["shape"])
    return found


def _from_pickle(stream: BinaryIO) -> dict[str, Array]:
    tree = read_pickle(stream).tree
    if tree == LEGACY_MAGIC:
        return _from_torch_legacy(stream)
    return _named(tree, _no_storage)


def _no_storage(storage: Storage) -> Array:
    raise NotArraysError(f"the numbers of storage {storage.key} are not in it")


def _from_torch_legacy(stream: BinaryIO) -> dict[str, Array]:
    """Behind the magic number: protocol, the machine, the tree, the keys of the storages, then each storage."""
    if read_pickle(stream).tree != LEGACY_PROTOCOL:
        raise NotArraysError("a PyTorch checkpoint of an unknown protocol")
    machine = read_pickle(stream).tree
    if isinstance(machine, dict) and machine.get("little_endian") is False:
        raise NotArraysError("a PyTorch checkpoint of a big-endian machine")
    saved, keys = read_pickle(stream), read_pickle(stream).tree
    if not isinstance(keys, list):
        raise NotArraysError("a damaged PyTorch checkpoint")
    loaded: dict[str, Array] = {}
    for key in keys:
        storage = saved.storages[key]
        size = int.from_bytes(stream.read(8), "little")
        if size != storage.size:
            raise NotArraysError(f"storage {key} has {size} numbers, expected {storage.size}")
        loaded[key] = _numbers(stream.read(size * _width(storage)), storage)
    return _named(saved.tree, lambda storage: loaded[storage.key])


def _from_torch_zip(content: bytes) -> dict[str, Array]:
    """``NAME/data.pkl`` is the tree, ``NAME/data/KEY`` a storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        roots = [name.removesuffix("data.pkl") for name in infos if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise NotArraysError("a zip that is no PyTorch checkpoint")
        if sum(info.file_size for info in infos.values()) > min(MOST_BYTES, SHRINK_MOST * len(content)):
            raise NotArraysError("it would unpack to too many bytes")
        root = roots[0]
        if f"{root}byteorder" in infos and archive.read(f"{root}byteorder") != b"little":
            raise NotArraysError("a PyTorch checkpoint of a big-endian machine")
        tree = read_pickle(io.BytesIO(archive.read(f"{root}data.pkl"))).tree

        @functools.cache  # tensors may share a storage
        def read(storage: Storage) -> Array:
            return _numbers(archive.read(f"{root}data/{storage.key}"), storage)

        return _named(tree, read)


def _width(storage: Storage) -> int:
    return 2 if storage.dtype == BFLOAT16 else np.dtype(storage.dtype).itemsize


def _numbers(data: bytes, storage: Storage) -> Array:
    if len(data) != storage.size * _width(storage):
        raise NotArraysError(f"storage {storage.key} has {len(data)} bytes, expected {storage.size * _width(storage)}")
    if storage.dtype == BFLOAT16:  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, np.dtype(storage.dtype).newbyteorder("<"))


def _named(tree: object, read: Read) -> dict[str, Array]:
    """The arrays of a tree by name, each whole in memory and in this machine's byte order."""
    if isinstance(tree, Mapping) and isinstance(tree.get(STATE), Mapping):
        tree = tree[STATE]
    found: dict[str, Array] = {}
    total = 0
    for name, leaf in _leaves(tree):
        values = _values(name, leaf, read)
        total += values.nbytes
        if total > MOST_BYTES:
            raise NotArraysError(f"more than {MOST_BYTES} bytes of arrays")
        if name in found:
            raise NotArraysError(f"two arrays are called {name[:80]}")
        found[name] = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).reshape(values.shape)
    return found


def _leaves(tree: object) -> list[tuple[str, object]]:
    """Every leaf of nested dicts with its name. A dict may stand in many places, so places are counted, not dicts."""
    leaves: list[tuple[str, object]] = []
    waiting: list[tuple[str, object]] = [("", tree)]
    for _ in range(MOST_TENSORS):
        if not waiting:
            return leaves
        name, node = waiting.pop()
        if not isinstance(node, Mapping):
            leaves.append((name, node))
        elif len(waiting) + len(node) > MOST_TENSORS:
            break
        else:
            inner = [(f"{name}.{key}" if name else str(key), value) for key, value in node.items()]
            waiting.extend(inner[::-1])
    raise NotArraysError(f"more than {MOST_TENSORS} arrays, or dicts in dicts without end")


def _values(name: str, leaf: object, read: Read) -> Array:
    if isinstance(leaf, PickledArray) and leaf.values is not None:
        return leaf.values
    if isinstance(leaf, TensorView):
        return _view(name, leaf, read(leaf.storage))
    raise NotArraysError(f"{name[:80] or 'the whole of it'} is {type(leaf).__name__}, not an array")


def _view(name: str, view: TensorView, numbers: Array) -> Array:
    """The tensor's values; every one lies within the storage."""
    if len(view.shape) != len(view.strides) or math.prod(view.shape) > len(numbers):
        raise NotArraysError(f"{name[:80]}: its shape {view.shape} does not fit {len(numbers)} numbers")
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    if 0 in view.shape:
        return np.zeros(view.shape, numbers.dtype)
    if last >= len(numbers):
        raise NotArraysError(f"{name[:80]}: its shape {view.shape} does not fit {len(numbers)} numbers")
    width = numbers.dtype.itemsize
    return as_strided(numbers[view.offset :], view.shape, tuple(stride * width for stride in view.strides))
