"""Resume state as one safetensors file, tensors beside a JSON tree: no pickle, and never half-written."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import InputError
from ..lightning import CheckpointIO

TREE = "tree"
Tree = None | bool | int | float | str | list["Tree"] | dict[str, "Tree"]


class SafetensorsIO(CheckpointIO):
    """Lightning's checkpoints, written and read without pickle; the rename at the end makes them atomic."""

    def save_checkpoint(self, checkpoint: dict[str, object], path: str | Path, storage_options: object = None) -> None:
        """Write ``checkpoint``, a tree of dicts, lists, numbers, strings and tensors."""
        tensors: dict[str, Tensor] = {}
        tree = _take_out(checkpoint, tensors)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            save_file(tensors, temporary, metadata={TREE: json.dumps(tree)})
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)  # safetensors makes it private, unlike every other file of a run
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | Path, map_location: object = None, weights_only: bool | None = None
    ) -> dict[str, object]:
        """Read what `save_checkpoint` wrote; raise `InputError` for anything else."""
        try:
            with safe_open(path, "pt") as file:
                tree = json.loads((file.metadata() or {})[TREE])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            checkpoint = _put_back(tree, tensors)
        except (SafetensorError, OSError, LookupError, ValueError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}: not a resume state ({error}); train without --resume into a new folder"
            ) from error
        if not isinstance(checkpoint, dict):
            raise InputError(f"{path}: not a resume state; train without --resume into a new folder")
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete the file."""
        Path(path).unlink(missing_ok=True)


def _take_out(node: object, tensors: dict[str, Tensor]) -> Tree:
    """The tree as JSON, tensors replaced by the key under which they are put into ``tensors``."""
    if isinstance(node, Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(node, Mapping):
        return {"dict": [[_take_out(key, tensors), _take_out(value, tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        kind = "tuple" if isinstance(node, tuple) else "list"
        return {kind: [_take_out(value, tensors) for value in node]}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise TypeError(f"a checkpoint holds a {type(node).__name__}; expected numbers, strings, tensors, lists and dicts")


def _put_back(node: Tree, tensors: Mapping[str, Tensor]) -> object:
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    if kind == "tensor" and isinstance(value, str):
        return tensors[value]
    if not isinstance(value, list):
        raise TypeError(f"{kind!r} holds {type(value).__name__}; expected a list")
    if kind == "dict":
        pairs = [pair for pair in value if isinstance(pair, list)]
        return {_put_back(pair[0], tensors): _put_back(pair[1], tensors) for pair in pairs}
    items = [_put_back(item, tensors) for item in value]
    return tuple(items) if kind == "tuple" else items


def load_weights(path: Path) -> dict[str, Tensor]:
    """The averaged weights in a resume state, by parameter name."""
    state = SafetensorsIO().load_checkpoint(path)["state_dict"]
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds no weights; train without --resume into a new folder")
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
