"""What is shown where a person waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sononerve.progress import BARS, sparkline


def test_a_curve_is_drawn_from_0_to_1_in_eight_heights() -> None:
    assert sparkline([0.0, 0.25, 0.5, 1.0]) == "▁▃▅█"
    assert sparkline([]) == ""
    assert sparkline([-1.0, 2.0]) == "▁█"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 40))
def test_a_long_curve_fits_and_rises_where_its_values_do(values: list[float], width: int) -> None:
    drawn = sparkline(sorted(values), width)
    assert len(drawn) == min(width, len(values))
    heights = [BARS.index(bar) for bar in drawn]
    assert heights == sorted(heights)
