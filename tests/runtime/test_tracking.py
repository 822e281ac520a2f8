"""Pieces of a mask keep their numbers."""

from __future__ import annotations

import numpy as np

from sononerve.frame import Frame, Segmentation
from sononerve.runtime.tracking import Region, Tracker

Piece = tuple[int, int, int, int, int]
"""Label, row, column, height, width."""


def seen(*pieces: Piece) -> Segmentation:
    labels = np.zeros((100, 200), np.uint8)
    for label, row, column, height, width in pieces:
        labels[row : row + height, column : column + width] = label
    frame = Frame(np.zeros((100, 200), np.uint8), spacing_mm=(0.1, 0.1))
    return Segmentation(frame, labels, np.zeros((2, 100, 200), np.float32), ("nerve", "vessel"), 1.0)


def numbers(regions: tuple[Region, ...]) -> list[tuple[str, int]]:
    return [(region.measured.name, region.track) for region in regions]


def test_a_nerve_that_moves_and_swells_keeps_its_number() -> None:
    track = Tracker()
    for step in range(20):
        found = track(seen((1, 40, 20 + 5 * step, 20, 20 + step)), 0.05 * step)
        assert numbers(found) == [("nerve", 1)]
    assert found[0].measured.area_mm2 is not None
    assert round(found[0].measured.area_mm2, 6) == round(20 * 39 * 0.01, 6)


def test_two_nerves_that_pass_near_each_other_are_told_apart() -> None:
    track = Tracker()
    for step in range(10):
        found = track(seen((1, 20, 20 + 4 * step, 16, 20), (1, 50, 100 - 4 * step, 16, 19)), 0.05 * step)
        assert numbers(found) == [("nerve", 1), ("nerve", 2)]


def test_classes_have_numbers_of_their_own_pieces() -> None:
    track = Tracker()
    track(seen((1, 20, 20, 20, 20), (2, 60, 100, 10, 10)), 0.0)
    found = track(seen((2, 60, 102, 10, 10), (2, 20, 20, 20, 20)), 0.05)
    assert numbers(found) == [("vessel", 3), ("vessel", 2)]


def test_it_is_known_again_after_a_moment_and_not_after_long() -> None:
    track = Tracker()
    assert numbers(track(seen((1, 40, 50, 20, 20)), 0.0)) == [("nerve", 1)]
    assert numbers(track(seen(), 0.2)) == []
    assert numbers(track(seen((1, 42, 52, 20, 20)), 0.4)) == [("nerve", 1)]
    for step in range(5):
        track(seen(), 0.5 + 0.2 * step)
    assert numbers(track(seen((1, 42, 52, 20, 20)), 2.0)) == [("nerve", 2)]


def test_frames_far_apart_still_follow_each_other() -> None:
    track = Tracker()
    assert [numbers(track(seen((1, 40, 50, 20, 20)), 2.0 * step)) for step in range(4)] == [[("nerve", 1)]] * 4


def test_time_that_goes_back_begins_anew() -> None:
    track = Tracker()
    track(seen((1, 40, 50, 20, 20)), 5.0)
    assert numbers(track(seen((1, 40, 50, 20, 20)), 0.0)) == [("nerve", 2)]


def test_a_piece_elsewhere_or_of_quite_another_size_is_a_new_one() -> None:
    track = Tracker()
    track(seen((1, 40, 10, 20, 20)), 0.0)
    assert numbers(track(seen((1, 40, 150, 20, 20)), 0.05)) == [("nerve", 2)]
    assert numbers(track(seen((1, 20, 130, 60, 60)), 0.1)) == [("nerve", 3)]


def test_the_nearer_piece_keeps_the_number_when_one_splits() -> None:
    track = Tracker()
    track(seen((1, 40, 50, 20, 40)), 0.0)
    found = track(seen((1, 40, 50, 20, 28), (1, 40, 82, 20, 8)), 0.05)
    assert numbers(found) == [("nerve", 1), ("nerve", 2)]


def test_specks_are_nobody() -> None:
    assert Tracker()(seen((1, 5, 5, 1, 1)), 0.0) == ()
