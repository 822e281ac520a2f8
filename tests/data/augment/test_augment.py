"""Drawn once, applied alike: frame, mask and box never part, and every number can be written down and used again."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from sononerve.data.augment import Augment
from sononerve.data.augment.geometry import Affine, Elastic
from sononerve.data.augment.intensity import Intensity

OPERATIONS = Augment().operations()
AFFINE = [name for name, op in OPERATIONS.items() if isinstance(op, Affine)]
GEOMETRY = [name for name, op in OPERATIONS.items() if isinstance(op, (Affine, Elastic))]
INTENSITY = [name for name, op in OPERATIONS.items() if isinstance(op, Intensity)]
SHAPE = (96, 128)
BOX = np.array([[40, 30, 75, 60]], np.float32)
SEEDS = range(8)


def square():
    """A bright block on black, its mask, and its `BOX`."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[30:60, 40:75] = 1
    return labels * 255, labels


def tissue():
    """Something bright and dark everywhere, with edges in both directions, and grain."""
    y, x = np.indices(SHAPE)
    grain = np.random.default_rng(0).normal(0, 10, SHAPE)
    return (125 + 50 * np.sin(x / 5) + 40 * np.cos(y / 7) + grain).clip(0, 255).astype(np.uint8)


def overlap(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def hull(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def drawn_by(augment, seed):
    return augment.draw(np.random.default_rng(seed))


def test_the_operations_are_those_of_the_issue():
    assert set(GEOMETRY) >= {"flip", "rotate", "scale", "shear", "elastic", "crop"}
    assert set(INTENSITY) == {"gamma", "gain", "speckle", "attenuation", "shadow", "blur", "jpeg"}
    assert {*GEOMETRY, *INTENSITY} == set(OPERATIONS)


@pytest.mark.parametrize("name", GEOMETRY)
def test_a_bright_block_and_its_mask_move_alike(name):
    augment, (pixels, labels) = Augment.only(name), square()
    for seed in SEEDS:
        drawn = drawn_by(augment, seed)
        moved, mask = augment.frame(pixels, drawn), augment.mask(labels, drawn)
        assert set(np.unique(mask)) == {0, 1}
        assert overlap(moved > 127, mask == 1) > 0.95


@pytest.mark.parametrize("name", AFFINE)
def test_the_box_of_a_block_stays_tight_around_its_mask(name):
    augment, (_, labels) = Augment.only(name), square()
    for seed in SEEDS:
        drawn = drawn_by(augment, seed)
        (box,) = augment.boxes(BOX, drawn, SHAPE)
        assert np.abs(box - hull(augment.mask(labels, drawn))).max() <= 1.5


def test_the_box_of_a_bent_block_holds_its_mask_and_is_near_it():
    augment, (_, labels) = Augment.only("elastic"), square()
    for seed in SEEDS:
        drawn = drawn_by(augment, seed)
        (box,) = augment.boxes(BOX, drawn, SHAPE)
        found = hull(augment.mask(labels, drawn))
        assert (box[:2] <= found[:2] + 1.5).all()
        assert (box[2:] >= found[2:] - 1.5).all()
        assert np.abs(box - found).max() <= 3


def test_all_together_frame_mask_and_box_still_move_alike():
    together = Augment.only(*[name for name in GEOMETRY if name != "flip_vertical"])
    pixels, labels = square()
    seen = 0
    for seed in range(30):
        drawn = drawn_by(together, seed)
        mask, boxes = together.mask(labels, drawn), together.boxes(BOX, drawn, SHAPE)
        if mask.sum() < 100:
            continue
        seen += 1
        assert overlap(together.frame(pixels, drawn) > 127, mask == 1) > 0.93
        assert (boxes[0, :2] <= hull(mask)[:2] + 2).all()
        assert (boxes[0, 2:] >= hull(mask)[2:] - 2).all()
    assert seen > 20


def test_labels_of_several_classes_are_never_mixed():
    labels = np.zeros(SHAPE, np.uint8)
    labels[20:50, 20:60], labels[50:80, 60:110] = 1, 3
    augment = Augment.only(*GEOMETRY)
    for seed in SEEDS:
        assert set(np.unique(augment.mask(labels, drawn_by(augment, seed)))) <= {0, 1, 3}


@pytest.mark.parametrize("name", INTENSITY)
def test_brightness_leaves_mask_and_box_alone(name):
    augment, (_, labels) = Augment.only(name), square()
    drawn = drawn_by(augment, 0)
    assert np.array_equal(augment.mask(labels, drawn), labels)
    assert np.array_equal(augment.boxes(BOX, drawn, SHAPE), BOX)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_visibly_changes_a_frame_without_touching_the_original(name):
    augment, pixels = Augment.only(name), tissue()
    before = pixels.copy()
    changes = [np.abs(augment.frame(pixels, drawn_by(augment, s)).astype(int) - pixels).mean() for s in SEEDS]
    assert np.median(changes) > 1
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("name", OPERATIONS)
def test_black_and_white_frames_stay_within_8_bit_and_shape(name):
    augment = Augment.only(name)
    for level in (0, 255):
        varied = augment.frame(np.full(SHAPE, level, np.uint8), drawn_by(augment, 1))
        assert varied.shape == SHAPE
        assert varied.dtype == np.uint8
        assert level == 0 or varied.max() > 30
        assert level == 255 or varied.max() == 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_was_drawn_survives_json_and_does_the_same_again(name):
    augment, pixels = Augment.only(name), tissue()
    drawn = drawn_by(augment, 5)
    again = json.loads(json.dumps(drawn))
    assert list(again) == [name]
    assert all(isinstance(value, float) for value in again[name].values())
    assert np.array_equal(augment.frame(pixels, again), augment.frame(pixels, drawn))
    assert np.array_equal(augment.mask(pixels, again), augment.mask(pixels, drawn))


def test_same_seed_same_numbers_and_another_seed_others():
    augment = Augment.only(*OPERATIONS)
    assert drawn_by(augment, 3) == drawn_by(augment, 3)
    assert drawn_by(augment, 3) != drawn_by(augment, 4)


def test_off_returns_frame_mask_and_box_as_they_are():
    off, pixels, (_, labels) = Augment.off(), tissue(), square()
    drawn = drawn_by(off, 0)
    assert drawn == {}
    assert np.array_equal(off.frame(pixels, drawn), pixels)
    assert np.array_equal(off.mask(labels, drawn), labels)
    assert np.array_equal(off.boxes(BOX, drawn, SHAPE), BOX)


def test_p_0_switches_one_off_and_p_is_how_often_it_happens():
    augment = Augment.model_validate({"rotate": {"p": 0.0}, "gamma": {"p": 0.25}, "blur": {"p": 1.0}})
    rng = np.random.default_rng(0)
    happened = [augment.draw(rng) for _ in range(600)]
    assert not any("rotate" in drawn for drawn in happened)
    assert all("blur" in drawn for drawn in happened)
    assert np.mean(["gamma" in drawn for drawn in happened]) == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation": {"p": 1}},
        {"rotate": {"angle": 5}},
        {"rotate": {"p": 1.5}},
        {"rotate": {"degrees": -3}},
        {"jpeg": {"worst": 0}},
    ],
)
def test_unknown_names_and_impossible_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        Augment.model_validate(wrong)


def test_settings_survive_being_written_and_read():
    augment = Augment.only("rotate", "jpeg")
    assert Augment.model_validate_json(augment.model_dump_json()) == augment
