"""Pickles of arrays are read, all others are refused, and nothing that they ask for is run."""

import io
import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sononerve.io.weights.array_pickle import NotArraysError, PickledArray, read_pickle

NUMBERS = st.one_of(
    arrays.floating_dtypes(sizes=(16, 32, 64)),
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.boolean_dtypes(),
)


def read(content):
    return read_pickle(io.BytesIO(content)).tree


@given(
    arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=0, min_side=0)),
    st.sampled_from(range(2, pickle.HIGHEST_PROTOCOL + 1)),
    st.sampled_from("CF"),
)
def test_arrays_come_back_as_they_were(values, protocol, order):
    found = read(pickle.dumps({"a": [np.asarray(values, order=order)]}, protocol))["a"][0]
    assert isinstance(found, PickledArray)
    assert found.values.dtype == values.dtype
    np.testing.assert_array_equal(found.values, values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 99), inner) | st.tuples(inner),
        max_leaves=20,
    ),
    st.sampled_from(range(3, pickle.HIGHEST_PROTOCOL + 1)),
)
def test_plain_values_come_back_as_they_were(tree, protocol):
    assert read(pickle.dumps(tree, protocol)) == tree


class Calls:
    """Pickled as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(path):
    """Things whose pickle makes the folder ``path`` in Python's own unpickler, by the way they take."""
    mkdir = Calls(os.mkdir, str(path))
    program = f"import os; os.mkdir({str(path)!r})"
    return {
        "a call": mkdir,
        "beside an array": {"weights": np.zeros(3), "more": [mkdir]},
        "a shell": Calls(os.system, f"mkdir {path}"),
        "eval": Calls(eval, f"__import__('os').mkdir({str(path)!r})"),
        "exec": Calls(exec, program),
        "another program": Calls(subprocess.call, [sys.executable, "-c", program]),
    }


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("way", ["a call", "beside an array", "a shell", "eval", "exec", "another program"])
def test_an_attack_is_refused_and_not_run(tmp_path, way, protocol):
    trap = tmp_path / "was_run"
    content = pickle.dumps(attacks(trap)[way], protocol)
    with pytest.raises(NotArraysError, match=r"it names .*nothing was run"):
        read(content)
    assert not trap.exists()
    pickle.loads(content)  # it is an attack
    assert trap.exists()


def hand_made(*opcodes):
    return b"\x80\x04" + b"".join(opcodes) + b"."


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def number(value):
    return b"J" + struct.pack("<i", value)


EMPTY_ARRAY = name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
FLOAT = name("numpy", "dtype") + b"X\x02\x00\x00\x00f4\x89\x88\x87R"

LAUGHS = b"]" + b"q\x01h\x01\x86" * 60
"""A text of it, or a number that tells it from others, would take 2 to the power of 60 steps."""


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "pickle"),
        (hand_made(b"i" + b"os\nsystem\n"), "INST"),
        (hand_made(b"(" + name("numpy", "ndarray") + b"o"), "OBJ"),
        (hand_made(name("numpy", "ndarray") + b")\x81"), "NEWOBJ"),
        (hand_made(b"\x82\x01"), "EXT1"),
        (hand_made(b"X\x02\x00\x00\x00os" + b"X\x06\x00\x00\x00system" + b"\x93"), "it names os.system"),
        (hand_made(name("numpy", "load")), "it names numpy.load"),
        (hand_made(name("collections", "OrderedDict.__init__")), "it names"),
        (hand_made(name("numpy", "ndarray") + number(2**30) + b"\x85R"), "numpy.ndarray is called"),
        (hand_made(name("collections", "OrderedDict") + b"K\x01\x85R"), "TypeError"),
        (hand_made(b"K\x01K\x02\x85R"), "where Name was expected"),
        (hand_made(name("numpy", "dtype") + b"X\x02\x00\x00\x00O8\x89\x88\x87R"), "an array of O8"),
        (hand_made(EMPTY_ARRAY + b"(K\x01" + number(2**30) + b"\x85" + FLOAT + b"\x89C\x04abcdtb"), "damaged|reshape"),
        (hand_made(EMPTY_ARRAY + b"(K\x01" + number(-1) + b"\x85" + FLOAT + b"\x89C\x04abcdtb"), "-1 where a size"),
        (hand_made(EMPTY_ARRAY + b"(K\x01K\x01\x85" + FLOAT + b"\x89]tb"), "without its bytes"),
        (hand_made(name("collections", "OrderedDict") + b"}b"), "where dict was expected"),
        (hand_made(b"}" + b")\x85\x85\x85K\x01s"), "where str was expected"),
        (hand_made(LAUGHS + LAUGHS + b"\x93"), "where str was expected"),
        (hand_made(name("numpy", "dtype") + LAUGHS + b"\x85R"), "where str was expected"),
        (hand_made(b"}" + LAUGHS + b"K\x01s"), "where str was expected"),
        (hand_made(FLOAT + b"K\x03" + LAUGHS + b"\x86b"), "where str was expected"),
        (hand_made(EMPTY_ARRAY + b"(K\x01(" + b"K\x01" * 99 + b"t" + FLOAT + b"\x89C\x04abcdtb"), "99 axes"),
        (hand_made(b"h\x07"), "damaged pickle, KeyError"),
        (hand_made(b"0"), "POP"),
        (hand_made(b"B" + struct.pack("<I", 2**32 - 1) + b"abc"), "expected 4294967295"),
        (hand_made(b"(" * 10 + b"t" * 11), "damaged pickle, IndexError"),
    ],
)
def test_what_arrays_do_not_need_is_refused(content, fault):
    with pytest.raises(ValueError, match=fault):
        read(content)


def test_a_place_in_the_memo_far_away_takes_no_memory():
    assert read(hand_made(b"K\x01r" + struct.pack("<I", 2**32 - 1))) == 1


def test_a_text_turned_into_bytes_again_and_again_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("sononerve.io.weights.array_pickle.MOST_BYTES_MADE", 5000)
    arguments = b"X" + struct.pack("<I", 1000) + b"a" * 1000 + b"X\x06\x00\x00\x00latin1\x86q\x01"
    again = name("_codecs", "encode") + b"h\x01R"
    assert read(hand_made(arguments + again * 5)) == b"a" * 1000
    with pytest.raises(NotArraysError, match="more than 5000 bytes"):
        read(hand_made(arguments + again * 6))


def test_too_many_steps_are_refused(monkeypatch):
    monkeypatch.setattr("sononerve.io.weights.array_pickle.MOST_OPCODES", 1000)
    with pytest.raises(NotArraysError, match="more than 1000 steps"):
        read(hand_made(b"]" + b"\x85" * 1000))


@pytest.mark.filterwarnings("ignore:.*invalid escape")  # pickletools says so of a damaged text
@given(st.binary(max_size=200), st.integers(0, 300), st.data())
def test_damage_is_an_error_of_value_and_nothing_else(noise, place, data):
    whole = pickle.dumps({"a": np.arange(6.0).reshape(2, 3), "b": [1, "two", (3,)]}, 2)
    place = min(place, len(whole))
    kept = data.draw(st.booleans())
    content = whole[:place] + noise + (whole[place + len(noise) :] if kept else b"")
    try:
        read(content)
    except ValueError:
        return
    assert content.count(b".")  # what is read to the end has an end
