"""Odd masks are named, plain ones are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.data.audit.masks import block_side, is_rectangle, oddities, tiny
from sononerve.frame import Area

WHOLE = Area(0, 200, 0, 300)


def ellipse(shape, centre, radii):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 <= 1


@given(
    y=st.floats(60, 140), x=st.floats(60, 240), height=st.floats(6, 50), width=st.floats(6, 55),
)  # fmt: skip
def test_an_ellipse_is_not_odd(y, x, height, width):
    assert oddities(ellipse((200, 300), (y, x), (height, width)), WHOLE, "nerve") == []


@given(side=st.integers(4, 16), seed=st.integers(0, 2**32 - 1), shift=st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_a_mask_that_was_drawn_small_and_enlarged_is_blocky(side, seed, shift):
    rng = np.random.default_rng(seed)
    small = ellipse((20, 24), rng.uniform(8, 12, 2), rng.uniform(4, 7, 2))
    mask = np.pad(np.kron(small, np.ones((side, side), bool)), ((shift[0], 3), (shift[1], 3)))
    assert block_side(mask) == side


def kinds(mask, area=WHOLE):
    return [oddity.kind for oddity in oddities(mask, area, "nerve")]


def test_a_box_is_a_rectangle_and_nothing_else():
    box = np.zeros((200, 300), bool)
    box[40:80, 64:128] = True
    assert is_rectangle(box) and kinds(box) == ["rectangle"]


def test_a_mask_beyond_the_scan_is_told_with_its_share():
    mask = ellipse((200, 300), (150, 150), (40, 60))
    found = oddities(mask, Area(0, 125, 0, 300), "vessel")
    assert [oddity.kind for oddity in found] == ["outside"]
    share = 1 - mask[:125].sum() / mask.sum()
    assert f"{share:.0%}" in found[0].told


def test_a_speck_beside_a_nerve_is_told():
    mask = ellipse((200, 300), (100, 150), (40, 60))
    mask[5, 7] = True
    assert kinds(mask) == ["speck"]


@pytest.mark.parametrize("mask", [np.zeros((5, 7), bool), np.ones((1, 1), bool), np.ones((5, 7), bool)])
def test_empty_full_and_single_masks_do_not_break_it(mask):
    assert kinds(mask, Area(0, *mask.shape[:1], 0, mask.shape[1])) in ([], ["rectangle"])


def test_a_mask_far_smaller_than_the_others_of_its_class_is_tiny():
    areas = np.array([[0.02, 0.1], [0.02, 0.1], [0.0005, 0.0], [0.03, 0.09]])
    assert [(i, oddity.kind, oddity.name) for i, oddity in tiny(areas, ("nerve", "vessel"))] == [(2, "tiny", "nerve")]


def test_masks_of_real_frames_are_seldom_odd(usgra):
    found = [usgra.names[i] for i in range(0, len(usgra), 4) if kinds(usgra[i].labels == 1, Area(0, 9999, 0, 9999))]
    assert len(found) <= 1
