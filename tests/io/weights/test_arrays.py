"""Files of weights, against PyTorch and safetensors themselves."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.io.weights import arrays
from sononerve.io.weights.arrays import read_arrays

DTYPES = [
    *(torch.float16, torch.float32, torch.float64, torch.bfloat16),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool),
]
BOTH = pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])


def saved(thing, as_zip):
    stream = io.BytesIO()
    torch.save(thing, stream, _use_new_zipfile_serialization=as_zip)
    return stream.getvalue()


def as_numpy(tensor):
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()


def check_equal(found, tensors):
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = as_numpy(tensor)
        assert found[name].dtype == expected.dtype
        assert found[name].flags.c_contiguous
        np.testing.assert_array_equal(found[name], expected)


@st.composite
def tensors(draw):
    """A tensor that is anyhow laid out in its storage."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    made = torch.randint(0, 2, shape).to(draw(st.sampled_from(DTYPES)))
    made = made.permute(draw(st.permutations(range(len(shape)))))
    return made[draw(st.integers(0, 2)) :: draw(st.integers(1, 2))] if shape else made


@given(st.dictionaries(st.text("ab.", min_size=1), tensors(), min_size=1, max_size=4), st.booleans())
def test_tensors_come_back_as_pytorch_saved_them(state, as_zip):
    check_equal(read_arrays(saved(state, as_zip), "a.pt"), state)


@BOTH
def test_a_network_s_state_comes_back(as_zip):
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3)).to(
        memory_format=torch.channels_last
    )
    state = network.state_dict()
    check_equal(read_arrays(saved(state, as_zip), "a.pt"), state)
    check_equal(read_arrays(saved(dict(network.named_parameters()), as_zip), "a.pt"), dict(network.named_parameters()))


@BOTH
def test_of_a_checkpoint_the_state_is_taken(as_zip):
    state = {"a": torch.ones(2), "b": {"c": torch.zeros(3)}}
    checkpoint = {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: torch.ones(9)}}}
    check_equal(read_arrays(saved(checkpoint, as_zip), "a.pt"), {"a": torch.ones(2), "b.c": torch.zeros(3)})


@BOTH
def test_tensors_that_share_numbers_are_each_whole(as_zip):
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"whole": whole, "row": whole[1], "column": whole[:, 2], "turned": whole.T}
    check_equal(read_arrays(saved(state, as_zip), "a.pt"), state)


def test_safetensors_of_every_type_come_back():
    state = {str(dtype): torch.arange(6).reshape(2, 3).to(dtype) for dtype in DTYPES}
    check_equal(read_arrays(safetensors.torch.save(state), "a.safetensors"), state)
    with pytest.raises(InputError, match="a is of the type F8_E4M3"):
        read_arrays(safetensors.torch.save({"a": torch.ones(3).to(torch.float8_e4m3fn)}), "a.safetensors")


def test_safetensors_whose_length_begins_as_a_pickle_does_come_back():
    value = np.arange(3, dtype=np.float32)
    found = [safetensors.numpy.save({"a": value}, {"note": "x" * length}) for length in range(300)]
    alike = [content for content in found if content[:1] == b"\x80"]
    assert alike
    for content in alike:
        assert np.array_equal(read_arrays(content, "a.safetensors")["a"], value)


def test_safetensors_and_plain_pickles_come_back():
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7)}
    check = {name: torch.from_numpy(array) for name, array in values.items()}
    check_equal(read_arrays(safetensors.numpy.save(values), "a.safetensors"), check)
    check_equal(read_arrays(pickle.dumps(values), "a.ckpt"), check)
    check_equal(read_arrays(saved(values, as_zip=True), "a.pt"), check)
    swapped = {"a": values["a"].astype(">f4"), "b": values["b"]}
    check_equal(read_arrays(pickle.dumps(swapped), "a.ckpt"), check)


@BOTH
@pytest.mark.parametrize(
    ("thing", "fault"),
    [
        (torch.nn.Linear(2, 2), "it names torch.nn.modules.linear.Linear"),
        ({"a": torch.ones(2), "epoch": 3}, "epoch is int, not an array"),
        ({"a": [torch.ones(2)]}, "a is list, not an array"),
        ({"a": torch.ones(1).expand(10**6)}, "does not fit 1 numbers"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "it names torch.ComplexFloatStorage"),
        ({"a": torch.ones(2).to_sparse()}, "it names torch._utils._rebuild_sparse_tensor"),
        ({}, "there are no arrays in it"),
        ({"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)}, "two arrays are called a.b"),
    ],
)
def test_what_is_not_arrays_is_refused_with_the_reason(thing, fault, as_zip):
    with pytest.raises(InputError, match=f"a.pt: weights cannot be read from it .*{fault}"):
        read_arrays(saved(thing, as_zip), "a.pt")


@pytest.mark.parametrize(
    ("offset", "shape", "strides"), [(2, (3,), (1,)), (0, (2,), (9,)), (0, (2, 2), (1,)), (9, (1,), (1,))]
)
def test_a_tensor_outside_of_its_storage_is_refused(offset, shape, strides):
    tensor = torch.arange(4.0)
    storage = torch.storage.TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=torch.float32, _internal=True)

    class Outside:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (storage, offset, shape, strides, False, {})

    for as_zip in (True, False):
        with pytest.raises(InputError, match="does not fit 4 numbers"):
            read_arrays(saved({"a": Outside()}, as_zip), "a.pt")


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def unzipped(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda files: files.pop("archive/data.pkl"), "no PyTorch checkpoint"),
        (lambda files: files.pop("archive/data/0"), "archive/data/0"),
        (lambda files: files.update({"archive/data/0": b"abc"}), "storage 0 has 3 bytes, expected 400"),
        (lambda files: files.update({"archive/byteorder": b"big"}), "big-endian"),
        (lambda files: files.update({"other/data.pkl": b""}), "no PyTorch checkpoint"),
        (lambda files: files.update({"archive/bomb": bytes(10**7)}), "too many bytes"),
    ],
)
def test_a_zip_that_is_not_whole_is_refused(change, fault):
    files = unzipped(saved({"a": torch.rand(100)}, as_zip=True))
    assert "archive/data.pkl" in files
    change(files)
    with pytest.raises(InputError, match=fault):
        read_arrays(zipped(files), "a.pt")


@BOTH
def test_a_file_that_is_cut_off_is_refused(as_zip):
    whole = saved({"a": torch.rand(20), "b": torch.rand(3)}, as_zip)
    for end in range(len(whole)):
        with pytest.raises(InputError):
            read_arrays(whole[:end], "a.pt")


@given(st.data(), st.booleans())
def test_a_damaged_file_is_an_input_error_and_nothing_else(data, as_zip):
    whole = bytearray(saved({"a": torch.arange(5.0), "b": torch.ones(2, 2)}, as_zip))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_arrays(bytes(whole), "a.pt")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(values.size <= 9 for values in found.values())


@pytest.mark.parametrize("content", [b"", b"\x80", b"hello, world", b"PK\x03\x04", bytes(8) + b"{", b"\x80\x02."])
def test_other_files_are_refused(content):
    with pytest.raises(InputError, match=r"a.pt: weights cannot be read from it"):
        read_arrays(content, "a.pt")


def test_dicts_in_dicts_without_end_are_refused():
    loop = {}
    loop["a"] = loop
    wide = {}
    for _ in range(12):
        wide = {str(i): wide for i in range(100)}
    for tree in (loop, wide):
        with pytest.raises(InputError, match="dicts in dicts without end"):
            read_arrays(pickle.dumps(tree), "a.pt")


def test_a_message_holds_nothing_that_a_terminal_obeys():
    with pytest.raises(InputError) as refused:
        read_arrays(pickle.dumps({"a\x1b[2J\n": 3}), "a.pt")
    assert str(refused.value).isprintable()


def test_one_array_in_many_places_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(arrays, "MOST_BYTES", 10_000)
    values = np.zeros(1000, np.uint8)
    with pytest.raises(InputError, match="more than 10000 bytes of arrays"):
        read_arrays(pickle.dumps({str(i): values for i in range(11)}), "a.pt")
