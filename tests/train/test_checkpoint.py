"""Resume state: everything comes back as it was, nothing is half-written, nothing foreign is believed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sononerve.errors import InputError
from sononerve.train import checkpoint
from sononerve.train.checkpoint import SafetensorsIO, load_weights

Tensor = torch.Tensor

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool)

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(), st.text()), inner)
    ),
    max_leaves=12,
)


def same(found: object, expected: object) -> bool:
    """Equal in value and in type, all the way down."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, Tensor) and isinstance(found, Tensor):
        return found.dtype == expected.dtype and found.shape == expected.shape and torch.equal(found, expected)
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(found) == list(expected) and all(same(found[key], value) for key, value in expected.items())
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


def there_and_back(state: dict[str, object], path: Path) -> dict[str, object]:
    """Save and load."""
    SafetensorsIO().save_checkpoint(state, path)
    return SafetensorsIO().load_checkpoint(path)


@settings(max_examples=30)
@given(tree=trees)
def test_any_tree_of_plain_values_comes_back(tree: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    state = {"tree": tree}
    assert same(there_and_back(state, tmp_path_factory.mktemp("state") / "s.safetensors"), state)


def test_tensors_of_every_kind_come_back_to_the_last_bit(tmp_path: Path) -> None:
    state: dict[str, object] = {str(dtype): torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype) for dtype in DTYPES}
    state |= {"none": torch.zeros(0, 3), "number": torch.tensor(7), "nan": None}
    state["optimiser"] = {"state": {0: {"step": torch.tensor(3.0)}, 11: ()}, "groups": [{"betas": (0.9, 0.999)}]}
    assert same(there_and_back(state, tmp_path / "s.safetensors"), state)


def test_large_whole_numbers_are_not_rounded(tmp_path: Path) -> None:
    state: dict[str, object] = {"seed": 2**63 + 1, "count": torch.tensor([2**53 + 1])}
    assert same(there_and_back(state, tmp_path / "s.safetensors"), state)


def test_one_tensor_under_two_names_and_a_view_come_back(tmp_path: Path) -> None:
    shared = torch.arange(12.0).reshape(3, 4)
    state: dict[str, object] = {"a": shared, "b": shared, "turned": shared.T, "part": shared[1:]}
    assert same(there_and_back(state, tmp_path / "s.safetensors"), state)


def test_the_file_is_safetensors_and_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    SafetensorsIO().save_checkpoint({"weights": torch.ones(2)}, path)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["0"]["dtype"] == "F32"
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(content)


def test_what_only_a_pickle_could_hold_is_refused_when_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"holds a .*Path; expected"):
        SafetensorsIO().save_checkpoint({"folder": [tmp_path]}, tmp_path / "s.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_state_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.safetensors"
    SafetensorsIO().save_checkpoint({"step": 1}, path)

    def full_disk(tensors: object, file: Path, metadata: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        SafetensorsIO().save_checkpoint({"step": 2}, path)
    assert SafetensorsIO().load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def write_cut_off(path: Path) -> None:
    SafetensorsIO().save_checkpoint({"weights": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-50])


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": 1}))


def write_foreign_safetensors(path: Path) -> None:
    save_file({"weights": torch.ones(2)}, path)


def write_other_tree(path: Path) -> None:
    save_file({}, path, metadata={"tree": json.dumps([1, 2])})


def write_tree_with_two_kinds(path: Path) -> None:
    save_file({}, path, metadata={"tree": json.dumps({"dict": [], "list": []})})


def write_tree_without_its_tensor(path: Path) -> None:
    save_file({}, path, metadata={"tree": json.dumps({"dict": [["weights", {"tensor": "0"}]]})})


def write_tree_with_half_a_pair(path: Path) -> None:
    save_file({}, path, metadata={"tree": json.dumps({"dict": [["weights"]]})})


def write_not_at_all(_: Path) -> None:
    """There is no file."""


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "write",
    [
        write_cut_off,
        write_pickle,
        write_foreign_safetensors,
        write_other_tree,
        write_tree_with_two_kinds,
        write_tree_without_its_tensor,
        write_tree_with_half_a_pair,
        write_nothing,
        write_not_at_all,
    ],
    ids=lambda write: write.__name__,
)
def test_what_is_not_a_state_is_refused_with_its_name_and_a_fix(write: object, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=r"last\.safetensors: not a resume state.*new folder"):
        SafetensorsIO().load_checkpoint(path)


def test_weights_are_taken_by_name_and_a_state_without_them_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    SafetensorsIO().save_checkpoint({"state_dict": {"head.weight": torch.ones(2)}}, path)
    assert list(load_weights(path)) == ["head.weight"]
    SafetensorsIO().save_checkpoint({"state_dict": None}, path)
    with pytest.raises(InputError, match="holds no weights"):
        load_weights(path)
