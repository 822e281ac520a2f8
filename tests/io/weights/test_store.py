"""Where weights are kept, how they are found, and that the known ones are those at hand."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from sononerve.errors import InputError
from sononerve.io.weights.importing import import_weights
from sononerve.io.weights.known import KNOWN, digest
from sononerve.io.weights.store import Origin, find_weights, list_weights, parameter_count, write_weights

REFERENCE = {
    "vgg16": "vgg16_imagenet_features",
    "mobilenet_v2": "mobilenet_v2_imagenet_features",
    "efficientnet_lite0": "efficientnet_lite0_imagenet",
}


def test_weights_that_are_not_here_come_with_the_command_that_gets_them(store):
    with pytest.raises(InputError, match="get them with: sononerve weights import vgg16"):
        find_weights("vgg16")
    with pytest.raises(InputError, match="no such weights; known are vgg16"):
        find_weights("resnet50")
    with pytest.raises(InputError, match="not a name for weights"):
        find_weights("../vgg16")


def test_the_list_tells_known_and_own_weights(verb, store, tmp_path):
    values = {"a.weight": np.ones((2, 3), np.float32), "a.running_mean": np.ones(9, np.float32)}
    (tmp_path / "mine.safetensors").write_bytes(save(values))
    import_weights("mine", str(tmp_path / "mine.safetensors"))
    status, said, _ = verb("list", "--json")
    assert status == 0
    found = {line["name"]: line for line in json.loads(said)}
    assert found.keys() == {*KNOWN, "mine"}
    assert found["mine"]["path"] == str(find_weights("mine"))
    assert found["mine"]["parameters"] == 6
    assert found["vgg16"]["path"] is None
    _, said, _ = verb("list")
    assert "14,714,688" in said
    assert "MIT" in said


def test_values_are_stored_in_their_order_however_they_lie_in_memory(store):
    values = {"turned": np.arange(6.0).reshape(2, 3).T, "backwards": np.arange(4)[::-1], "one": np.array(3.0)}
    found = load_file(write_weights(values, Origin("a", "b", "c", "d", "e")))
    for name, array in values.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_damaged_file_in_the_store_is_named(store):
    store.mkdir(parents=True)
    (store / "vgg16.safetensors").write_bytes(b"hello")
    with pytest.raises(InputError, match=r"vgg16\.safetensors: not whole .* remove it"):
        list_weights()


@pytest.mark.parametrize("name", KNOWN)
def test_known_weights_are_the_reference_conversion(shared_data, store, name):
    """Names, types, shapes and values: the digest that every import is held against is that of the reference."""
    file = shared_data.parent / "weights" / f"{REFERENCE[name]}.safetensors"
    if not file.is_file():
        pytest.skip(f"reference weights are kept outside of the repository, and {file} is not here")
    reference = load_file(file)
    assert digest(reference) == KNOWN[name].tensors_sha256
    assert parameter_count({key: values.shape for key, values in reference.items()}) == KNOWN[name].parameters
    path, origin = import_weights(name, str(file))
    stored = load_file(path)
    assert all((stored[key] == reference[key]).all() for key in reference)
    assert origin.preprocessing == KNOWN[name].preprocessing


def test_the_digest_sees_names_types_shapes_and_values():
    values = {"a": np.arange(6, dtype=np.float32), "b": np.zeros(1)}
    others = [
        {"a": values["a"], "c": values["b"]},
        {"a": values["a"].astype(np.float16), "b": values["b"]},
        {"a": values["a"].reshape(2, 3), "b": values["b"]},
        {"a": values["a"][::-1], "b": values["b"]},
        {"a": values["a"]},
    ]
    found = {digest(other) for other in others}
    assert len(found) == 5
    assert digest(values) not in found
    assert digest({"b": values["b"], "a": values["a"].astype(">f4")}) == digest(values)
