"""Label Studio's brush masks, against a reader written from the format's definition."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sononerve.errors import InputError
from sononerve.io.brush import decode, encode

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


def read(data):
    """All values of a stream, bit by bit."""
    bits = iter("".join(f"{byte:08b}" for byte in data))

    def number(count):
        return int("".join(next(bits) for _ in range(count)), 2)

    total, word = number(32), number(5) + 1
    sizes = [number(4) + 1 for _ in range(4)]
    values = []
    while len(values) < total:
        run = number(1)
        length = number(sizes[number(2)]) + 1
        values += [number(word)] * length if run else [number(word) for _ in range(length)]
    return values


def stream(total, *parts):
    """A stream of ``total`` values with the usual sizes; parts are texts of bits."""
    bits = f"{total:032b}00111" + "0010" + "0011" + "0111" + "1111" + "".join(parts)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


@given(MASKS)
def test_what_is_encoded_is_read_by_the_definition_and_by_us(mask):
    data = encode(mask)
    assert read(data) == np.repeat(mask.ravel() * 255, 4).tolist()
    assert np.array_equal(decode(data, mask.shape), mask)


@pytest.mark.parametrize("value", [False, True])
def test_runs_longer_than_any_length(value):
    mask = np.full((300, 500), value)
    assert np.array_equal(decode(encode(mask), mask.shape), mask)


def test_single_values_are_read_and_opacity_counts():
    values = [9, 9, 9, 0, 0, 0, 0, 7]
    data = stream(8, "000" + "111" + "".join(f"{v:08b}" for v in values))
    assert decode(data, (1, 2)).tolist() == [[False, True]]


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1000, 1000)])
def test_another_size_is_refused_before_anything_is_made(shape):
    with pytest.raises(InputError, match="is not of"):
        decode(stream(4_000_000_000, "1"), shape)


def test_what_runs_over_or_ends_early_is_refused():
    with pytest.raises(InputError, match="more pixels than 1 x 1"):
        decode(stream(4, "100" + "111" + "00000001"), (1, 1))
    with pytest.raises(InputError, match="cut off"):
        decode(stream(400, "000" + "111"), (10, 10))
    with pytest.raises(InputError, match="cut off"):
        decode(b"", (1, 1))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(tail):
    with contextlib.suppress(InputError):
        assert decode(stream(48) + tail, (3, 4)).shape == (3, 4)
