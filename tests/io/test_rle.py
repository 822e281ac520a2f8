"""Run lengths as Kaggle writes them: by columns, counted from 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sononerve.errors import InputError
from sononerve.io.rle import decode, encode

MASKS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1))


@given(MASKS)
def test_what_is_encoded_is_decoded_to_the_same(mask):
    assert np.array_equal(decode(encode(mask), mask.shape), mask)


def test_pixels_are_counted_down_the_columns_from_1():
    mask = np.array([[0, 0, 1], [1, 0, 0]], np.uint8)  # columns: 0 1 | 0 0 | 1 0
    assert encode(mask) == "2 1 5 1"
    assert np.array_equal(decode("2 1 5 1", (2, 3)), mask)


def test_a_run_goes_on_into_the_next_column():
    assert decode("2 2", (2, 2)).tolist() == [[0, 1], [1, 0]]


def test_no_mask_is_the_empty_string():
    assert encode(np.zeros((3, 4), bool)) == ""
    assert decode(" ", (3, 4)).sum() == 0


def test_any_value_but_0_counts_as_1():
    assert encode(np.array([[0, 255, 2]], np.uint8)) == "2 2"


@pytest.mark.parametrize(
    ("runs", "fault"),
    [
        ("1 x", "whole numbers"),
        ("1.5 2", "whole numbers"),
        ("1 2 3", "pairs"),
        ("0 1", "leave the frame"),
        ("1 0", "leave the frame"),
        ("12 2", "leave the frame of 12 pixels"),
        ("9223372036854775807 9223372036854775807", "leave the frame"),
        ("99999999999999999999 1", "whole numbers"),
    ],
)
def test_runs_that_cannot_be_are_refused(runs, fault):
    with pytest.raises(InputError, match=fault):
        decode(runs, (3, 4))
