"""Counts as COCO and CVAT keep them, against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as oracle

from sononerve.errors import InputError
from sononerve.io.counts import decode, encode, pack, unpack

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(MASKS)
def test_counts_and_text_are_those_of_pycocotools(mask):
    theirs = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert pack(encode(mask, "F")) == theirs["counts"].decode()
    assert np.array_equal(decode(unpack(theirs["counts"].decode()), mask.shape, "F"), mask)


@given(MASKS)
def test_along_the_rows_it_is_the_same_turned_over(mask):
    assert encode(mask, "C") == encode(mask.T, "F")
    assert np.array_equal(decode(encode(mask, "C"), mask.shape, "C"), mask)


@pytest.mark.parametrize("size", [(1, 1), (700, 900)])
@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full_frames(size, value):
    mask = np.full(size, value)
    assert np.array_equal(decode(unpack(pack(encode(mask, "F"))), size, "F"), mask)


def test_background_comes_first_and_columns_are_counted_down():
    mask = np.array([[0, 0, 1], [1, 0, 0]], bool)  # columns: 0 1 | 0 0 | 1 0
    assert encode(mask, "F") == [1, 1, 2, 1, 1]
    assert encode(mask, "C") == [2, 2, 2]


@pytest.mark.parametrize(
    "counts", [[], [3], [5], [-1, 5], [2**62, 2**62], [2**70], [1, 10**12], [0] * 100 + [4], [2, 2, 2]]
)
def test_counts_of_another_size_are_refused(counts):
    with pytest.raises(InputError, match="another number of pixels than 2 x 2"):
        decode(counts, (2, 2), "F")


def test_a_count_of_nothing_in_between_is_read():
    assert decode([1, 0, 1, 2], (2, 2), "F").astype(int).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("text", ["P", "oooooooooo0", "0é0", "1\x00", " 1", "0" * 6 + "P"])
def test_a_text_that_cannot_be_is_refused(text):
    with pytest.raises(InputError, match="not what COCO packs"):
        unpack(text)


@given(st.text(alphabet=[chr(48 + i) for i in range(64)], max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        mask = decode(unpack(text), (5, 7), "F")
    except InputError:
        return
    assert mask.shape == (5, 7)
