"""The scan area is what is lit; letters on the screen and a lifted black do not change it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sononerve.data.screen import scan_area
from sononerve.frame import Area


@given(
    top=st.integers(0, 40), bottom=st.integers(0, 40), left=st.integers(0, 40), right=st.integers(0, 40),
    black=st.integers(0, 60),
)  # fmt: skip
def test_the_area_is_what_the_black_border_leaves(top, bottom, left, right, black):
    tissue = np.random.default_rng(0).integers(90, 250, (60, 80), dtype=np.uint8)
    screen = np.pad(tissue, ((top, bottom), (left, right)), constant_values=black)
    assert scan_area(screen) == Area(top, top + 60, left, left + 80)


def test_a_letter_beside_the_scan_is_not_the_scan():
    screen = np.zeros((200, 300), np.uint8)
    screen[50:180, 60:250] = 120
    screen[5:8, 3:7] = 255
    assert scan_area(screen) == Area(50, 180, 60, 250)


def test_a_blank_frame_is_its_own_area():
    assert scan_area(np.full((20, 30), 7, np.uint8)) == Area(0, 20, 0, 30)


def test_real_frames_keep_what_was_drawn(usgra):
    for i in range(0, len(usgra), 7):
        sample = usgra[i]
        area = scan_area(sample.frame.pixels)
        inside = sample.labels[area.top : area.bottom, area.left : area.right]
        assert (inside > 0).sum() == (sample.labels > 0).sum()
