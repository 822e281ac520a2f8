"""How unsteady a clip is."""

from __future__ import annotations

import numpy as np
import pytest

from sononerve.runtime.flicker import Flicker


def labels(left: int = 0, label: int = 1) -> np.ndarray:
    found = np.zeros((10, 20), np.uint8)
    found[2:6, left : left + 4] = label
    return found


def flicker_of(*frames: np.ndarray, presence: tuple[float, ...] = ()) -> Flicker:
    found = Flicker()
    for place, frame in enumerate(frames):
        found.add(frame, presence[place] if presence else 1.0)
    return found


def test_a_still_mask_does_not_flicker() -> None:
    assert flicker_of(labels(), labels(), labels()).mask == 0


def test_it_is_one_minus_the_dice_of_neighbours() -> None:
    assert flicker_of(labels(0), labels(2)).mask == pytest.approx(0.5)
    assert flicker_of(labels(0), labels(0), labels(10)).mask == pytest.approx(0.5)
    assert flicker_of(labels(0), labels(0, label=2)).mask == 1


def test_a_blink_is_two_changes_and_empty_pairs_count_not() -> None:
    empty = np.zeros((10, 20), np.uint8)
    assert flicker_of(labels(), empty, labels()).mask == 1
    assert flicker_of(empty, empty).mask is None
    assert flicker_of(empty, empty, labels(), labels()).mask == pytest.approx(0.5)


def test_switches_of_presence_are_counted() -> None:
    frames = [labels()] * 5
    assert flicker_of(*frames, presence=(0.9, 0.4, 0.6, 0.7, 0.2)).switches == 3
    assert flicker_of(*frames, presence=(0.4,) * 5).switches == 0
