"""An overlay tints and outlines the classes, and leaves the rest of the frame as it is."""

import numpy as np

from sononerve.overlay import COLOURS, colour, overlay


def frame():
    return np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)


def block():
    labels = np.zeros((40, 60), np.uint8)
    labels[10:20, 15:35] = 1
    return labels


def test_pixels_far_from_a_mask_keep_their_gray():
    pixels, labels = frame(), block()
    drawn = overlay(pixels, labels)
    assert drawn.shape == (40, 60, 3)
    assert drawn.dtype == np.uint8
    outside = np.ones_like(labels, bool)
    outside[9:21, 14:36] = False
    assert (drawn[outside] == pixels[outside][:, None]).all()


def test_without_a_mask_the_frame_is_unchanged_and_the_input_is_never():
    pixels, labels = frame(), block()
    before = pixels.copy()
    overlay(pixels, labels)
    assert np.array_equal(pixels, before)
    assert (overlay(pixels, np.zeros_like(labels)) == pixels[..., None]).all()


def test_the_outline_has_the_colour_of_the_class_and_the_inside_a_tint():
    drawn = overlay(np.full((40, 60), 100, np.uint8), block(), fill=0.5)
    assert tuple(drawn[10, 20]) == COLOURS[0]
    assert np.allclose(drawn[15, 25], (100 + np.array(COLOURS[0])) / 2, atol=1)


def test_fill_0_leaves_the_tissue_visible():
    pixels = frame()
    assert (overlay(pixels, block(), fill=0.0)[14:16, 20:30] == pixels[14:16, 20:30, None]).all()


def test_classes_have_different_colours_and_the_sixth_starts_again():
    assert len({colour(label) for label in range(1, 6)}) == 5
    assert colour(6) == colour(1)
    labels = block()
    labels[25:35, 15:35] = 3
    drawn = overlay(np.zeros((40, 60), np.uint8), labels)
    assert tuple(drawn[10, 20]) == colour(1)
    assert tuple(drawn[25, 20]) == colour(3)
