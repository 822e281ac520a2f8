"""Each geometric operation against what it does by hand."""

import numpy as np
import pytest

from sononerve.data.augment import Augment

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
ON = Augment.only("flip", "flip_vertical", "rotate", "scale", "shear", "shift", "crop", "elastic")


def test_flips_mirror_exactly():
    assert np.array_equal(ON.frame(PIXELS, {"flip": {}}), PIXELS[:, ::-1])
    assert np.array_equal(ON.frame(PIXELS, {"flip_vertical": {}}), PIXELS[::-1])
    assert np.array_equal(ON.mask(PIXELS, {"flip": {}}), PIXELS[:, ::-1])


def test_the_box_of_a_flipped_frame_is_mirrored():
    box = np.array([[2, 3, 10, 8]], np.float32)
    assert np.allclose(ON.boxes(box, {"flip": {}}, (40, 60)), [[50, 3, 58, 8]], atol=1e-4)
    assert np.allclose(ON.boxes(box, {"flip_vertical": {}}, (40, 60)), [[2, 32, 10, 37]], atol=1e-4)


def test_a_quarter_turn_is_exact_and_a_turn_back_undoes_it():
    pixels = PIXELS[:, :40]
    turned = ON.frame(pixels, {"rotate": {"degrees": 90.0}})
    assert np.array_equal(turned[1:-1, 1:-1], np.rot90(pixels)[1:-1, 1:-1])
    assert np.array_equal(ON.frame(turned, {"rotate": {"degrees": -90.0}})[1:-1, 1:-1], pixels[1:-1, 1:-1])


def test_a_shift_of_whole_pixels_moves_everything_alike_and_leaves_black():
    drawn = {"shift": {"x": 0.1, "y": 0.05}}  # the result looks 6 columns and 2 rows further
    moved = ON.frame(PIXELS, drawn)
    assert np.array_equal(moved[:38, :54], PIXELS[2:, 6:])
    assert not moved[38:].any()
    assert not moved[:, 54:].any()
    assert np.allclose(
        ON.boxes(np.array([[20, 10, 30, 20]], np.float32), drawn, (40, 60)), [[14, 8, 24, 18]], atol=1e-4
    )


def test_a_zoom_of_2_makes_areas_4_times_as_large_and_a_stretch_keeps_them():
    labels = np.zeros((80, 80), np.uint8)
    labels[32:48, 32:48] = 1
    assert ON.mask(labels, {"scale": {"zoom": 2.0, "stretch": 1.0}}).sum() == pytest.approx(4 * 256, rel=0.1)
    rows, columns = np.nonzero(ON.mask(labels, {"scale": {"zoom": 1.0, "stretch": 1.44}}))
    assert np.ptp(columns) + 1 == pytest.approx(16 * 1.2, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(16 / 1.2, abs=1)


def test_a_shear_moves_rows_sideways_by_their_distance_from_the_middle():
    labels = np.zeros((81, 81), np.uint8)
    labels[:, 40] = 1
    sheared = ON.mask(labels, {"shear": {"degrees": 45.0}})
    assert [int(np.flatnonzero(sheared[row])[0]) for row in (20, 40, 60)] == [60, 40, 20]


def test_a_crop_shows_its_window_alone():
    pixels = np.zeros((40, 60), np.uint8)
    pixels[:20, :30] = 200
    whole = {"crop": {"size": 0.5, "x": -0.25, "y": -0.25}}
    assert (ON.frame(pixels, whole)[2:38, 2:58] == 200).all()
    assert not ON.frame(pixels, {"crop": {"size": 0.5, "x": 0.25, "y": 0.25}})[2:, 2:].any()


def test_a_box_that_left_the_canvas_is_dropped_and_one_half_outside_is_cut():
    boxes = np.array([[0, 0, 10, 10], [45, 20, 55, 30]], np.float32)
    found = ON.boxes(boxes, {"shift": {"x": 50 / 60, "y": 0.0}}, (40, 60))
    assert np.allclose(found, [[0, 20, 5, 30]], atol=1e-3)


def test_no_box_stays_no_box():
    assert ON.boxes(np.zeros((0, 4), np.float32), {"flip": {}}, (40, 60)).shape == (0, 4)


@pytest.mark.parametrize("shape", [(64, 64), (64, 128)])
def test_the_strongest_elastic_bend_of_the_defaults_never_folds_the_tissue(shape):
    for seed in range(60):
        field = ON.elastic.field({"seed": float(seed), "fraction": ON.elastic.fraction}, shape)
        assert field.shape == (*shape, 2)
        (xx, xy), (yx, yy) = (np.gradient(field[..., i])[::-1] for i in (0, 1))
        assert ((1 + xx) * (1 + yy) - xy * yx).min() > 0
