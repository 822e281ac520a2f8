"""What a person who watches sees."""

from __future__ import annotations

import numpy as np

from sononerve.frame import Frame, Segmentation
from sononerve.overlay import colour, overlay
from sononerve.runtime.drawing import draw
from sononerve.runtime.stream import Moment
from sononerve.runtime.tracking import pieces


def moment(labels: np.ndarray) -> Moment:
    frame = Frame(np.full(labels.shape, 60, np.uint8), time_s=1.5)
    found = Segmentation(frame, labels, np.zeros((2, *labels.shape), np.float32), ("nerve", "vessel"), 0.87)
    return Moment(30, found, tuple(pieces(found)))


def test_regions_are_outlined_and_named_in_their_colour() -> None:
    labels = np.zeros((240, 320), np.uint8)
    labels[100:140, 150:220] = 1
    drawn = draw(moment(labels))
    assert drawn.shape == (240, 320, 3)
    plain = overlay(np.full((240, 320), 60, np.uint8), labels)
    changed = (drawn != plain).any(2)
    above = np.argwhere((drawn == colour(1)).all(2) & changed)
    assert len(above) > 5
    assert 80 < above[:, 0].mean() < 100
    assert changed[220:].any()


def test_a_speck_is_outlined_and_not_named() -> None:
    labels = np.zeros((240, 320), np.uint8)
    labels[100:108, 150:159] = 1
    changed = (draw(moment(labels)) != overlay(np.full((240, 320), 60, np.uint8), labels)).any(2)
    assert not changed[:215].any()


def test_dark_letters_lie_below_the_bright_ones() -> None:
    labels = np.zeros((240, 320), np.uint8)
    labels[100:140, 100:200] = 1
    drawn = draw(moment(labels))[70:98]
    bright, dark = (letters.any(0).nonzero()[0] for letters in (drawn[..., 0] > 150, drawn.max(2) < 30))
    assert abs(bright.min() - dark.min()) <= 4
    assert abs(bright.max() - dark.max()) <= 4


def test_a_name_stays_inside_of_the_picture() -> None:
    labels = np.zeros((240, 320), np.uint8)
    labels[0:12, 300:320] = 2
    drawn = draw(moment(labels))
    plain = overlay(np.full((240, 320), 60, np.uint8), labels)
    assert ((drawn != plain).any(2) & (drawn == colour(2)).all(2)).sum() > 5


def test_a_frame_without_a_nerve_has_time_and_presence_alone() -> None:
    drawn = draw(moment(np.zeros((240, 320), np.uint8)))
    changed = (drawn != 60).any(2)
    assert changed[220:].any()
    assert not changed[:215].any()
