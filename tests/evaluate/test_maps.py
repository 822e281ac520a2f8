"""The figure of a frame's maps: its scale bar, its colours, its pictures of 16 bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sononerve.evaluate.report.maps import Map, maps_figure, round_length
from sononerve.frame import Frame


@given(st.floats(1e-3, 1e6))
def test_a_scale_bar_is_a_round_length_and_never_shorter_than_two_fifths_of_what_fits(most: float) -> None:
    length = round_length(most)
    assert 0.4 * most * (1 - 1e-9) <= length <= most * (1 + 1e-9)
    assert f"{length:.0e}"[0] in "125"


def test_sixteen_bits_reach_from_0_to_full_and_stop_there() -> None:
    values = np.array([[0, 1, 2, 4, 5]], np.float32)
    assert Map("m", "m", "m", values, full=4.0).sixteen_bit().tolist() == [[0, 16384, 32768, 65535, 65535]]


@pytest.mark.parametrize("shape", [(40, 60), (90, 30)])
def test_a_map_is_drawn_over_its_frame(shape: tuple[int, int]) -> None:
    def drawn(pixels: int, value: float) -> np.ndarray:
        frame = Frame(np.full(shape, pixels, np.uint8), spacing_mm=(0.1, 0.1))
        shown = Map("m", "m", "m", np.full(shape, value, np.float32))
        return np.asarray(Image.open(io.BytesIO(maps_figure(frame, [shown], "a frame"))).convert("RGB")).astype(int)

    dark, open_gate, bright = drawn(0, 0.0), drawn(0, 1.0), drawn(200, 0.0)
    half = dark.shape[1] // 3  # where the panel of the frame ends
    assert (np.abs(open_gate - dark)[:, :half] > 0).mean() == 0
    assert (np.abs(open_gate - dark)[:, half:] > 50).any()
    assert (np.abs(bright - dark)[:, half:] > 50).any()
