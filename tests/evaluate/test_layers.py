"""Outlines in SVG are the masks they were made of."""

from __future__ import annotations

import re

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sononerve.evaluate.report.layers import difference, outline, outlines


def drawn(path: str, shape: tuple[int, int], scale: int = 8) -> np.ndarray:
    """The path filled by the even-odd rule on a grid ``scale`` times finer, seen in the middle of each pixel."""
    canvas = np.zeros((shape[0] * scale, shape[1] * scale), np.uint8)
    parts = [
        np.array([[float(v) for v in point.split()] for point in part.strip("Z").split("L")])
        for part in path.split("M")[1:]
    ]
    whole = [np.rint(part * scale - 0.5).astype(np.int32) for part in parts]
    if whole:
        cv2.fillPoly(canvas, whole, 1)  # many outlines at once are filled by the even-odd rule
    return canvas[scale // 2 :: scale, scale // 2 :: scale].astype(bool)


@given(st.lists(st.tuples(*[st.integers(3, 36)] * 2, *[st.integers(4, 12)] * 2), min_size=1, max_size=4), st.booleans())
def test_a_filled_outline_is_the_mask(ellipses: list[tuple[int, int, int, int]], hole: bool) -> None:
    mask = np.zeros((40, 40), np.uint8)
    for x, y, wide, high in ellipses:
        cv2.ellipse(mask, (x, y), (wide, high), 0, 0, 360, 1, -1)
    if hole:
        mask[18:24, 18:24] = 0
    found = drawn(outline(mask.astype(bool)), (40, 40))
    assert (found != mask.astype(bool)).mean() < 0.02
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
    assert found[inside].all()


def area(layer: str, name: str) -> float:
    """Of the paths of a kind, by the corners that they are drawn through."""
    total = 0.0
    for path in re.findall(rf'class="{name}" d="([^"]+)"', layer):
        for part in path.split("M")[1:]:
            x, y = np.array([point.split() for point in part.strip("Z").split("L")], float).T
            total += abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    return total


def test_what_is_off_by_one_pixel_is_seen() -> None:
    truth, predicted = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    truth[10:20, 10:30], predicted[10:20, 11:31] = 1, 1
    layer = difference(truth, predicted, 1, "difference")
    assert area(layer, "missed") > 0.4 * 10  # a quarter of a pixel is left out on each side, and drawn by the stroke
    assert area(layer, "added") > 0.4 * 10
    assert layer.count("stroke=") == 2


def test_an_empty_mask_has_no_outline_and_a_full_one_is_the_frame() -> None:
    assert outline(np.zeros((3, 4), bool)) == ""
    assert outline(np.ones((3, 4), bool)) == "M0 0H4V3H0Z"


def test_each_class_has_its_colour_and_what_differs_is_missed_or_too_much() -> None:
    truth, predicted = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    truth[2:8, 2:8], predicted[2:8, 5:11], predicted[12:18, 12:18] = 1, 1, 2
    assert len(set(re.findall(r'stroke="(#\w+)"', outlines(predicted, 2, "prediction")))) == 2
    layer = difference(truth, predicted, 2, "difference")
    assert re.findall(r'class="(missed|added)"', layer) == ["missed", "added", "added"]
    assert "<path" not in difference(truth, truth, 2, "difference")
