"""Polygons, against pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as oracle

from sononerve.errors import InputError
from sononerve.io.polygon import fill

NUMBERS = st.floats(-12, 45, width=32) | st.integers(-5, 40).map(float)
POLYGONS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=12).map(lambda p: np.array(p, float))


@given(POLYGONS, st.integers(1, 30), st.integers(1, 30))
def test_any_polygon_is_filled_as_pycocotools_fills_it(points, height, width):
    """Crossing itself, with points in one place, partly or wholly outside of the frame."""
    theirs = oracle.decode(oracle.frPyObjects([points.ravel().tolist()], height, width))[:, :, 0]
    assert np.array_equal(fill(points, (height, width)), theirs.astype(bool))


def test_a_rectangle_of_whole_pixels_covers_exactly_them():
    filled = fill(np.array([[2, 1], [5, 1], [5, 3], [2, 3]], float), (4, 6))
    assert np.argwhere(filled).tolist() == [[1, 2], [1, 3], [1, 4], [2, 2], [2, 3], [2, 4]]


def test_a_large_outline_is_filled_as_well():
    angle = np.linspace(0, 2 * np.pi, 400)
    points = np.c_[400 + 300 * np.cos(angle), 300 + 250 * np.sin(angle)]
    theirs = oracle.decode(oracle.frPyObjects([points.ravel().tolist()], 600, 800))[:, :, 0]
    assert np.array_equal(fill(points, (600, 800)), theirs.astype(bool))


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([[0, 0], [1, 1]], "fewer than three points"),
        ([], "fewer than three points"),
        ([[0, 0], [1, np.nan], [3, 3]], "far behind"),
        ([[0, 0], [np.inf, 1], [3, 3]], "far behind"),
        ([[0, 0], [1e300, 1], [3, 3]], "far behind"),
        ([[0, 0], [900, 900]] * 5000, "more than 400000 pixels long"),
    ],
)
def test_what_cannot_be_or_takes_too_long_is_refused(points, fault):
    with pytest.raises(InputError, match=fault):
        fill(np.array(points, float).reshape(-1, 2), (20, 30))
