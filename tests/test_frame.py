"""The nouns: they refuse what they cannot be, and measure by hand-computable rules."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from sononerve.frame import Frame, Sample, Segmentation, measure
from sononerve.overlay import overlay


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 5)), np.zeros((4, 5, 3), np.uint8), np.zeros(4, np.uint8), np.zeros((4, 5), np.uint16)]
)
def test_a_frame_is_one_gray_picture_of_8_bit(pixels):
    with pytest.raises(ValueError, match=r"scan.png: pixels are .*expected uint8"):
        Frame(pixels, source="scan.png")


@pytest.mark.parametrize("spacing", [(0.0, 0.1), (0.1, -0.1), (float("nan"), 0.1), (0.1, float("inf"))])
def test_spacing_is_two_positive_numbers_or_unknown(spacing):
    with pytest.raises(ValueError, match="spacing"):
        Frame(np.zeros((4, 5), np.uint8), spacing)


def test_a_mask_of_another_size_is_refused_with_both_sizes():
    frame = Frame(np.zeros((4, 5), np.uint8), source="scan.png")
    with pytest.raises(ValueError, match=r"scan.png: the mask is \(5, 4\), the frame \(4, 5\)"):
        Sample(frame, np.zeros((5, 4), np.uint8))


def test_area_centroid_and_box_of_a_block():
    mask = np.zeros((10, 12), bool)
    mask[2:5, 6:10] = True
    found = measure(mask, "nerve", (0.5, 0.2))
    assert (found.name, found.area_px, found.box) == ("nerve", 12, (6, 2, 4, 3))
    assert found.centroid == (7.5, 3.0)
    assert found.area_mm2 == pytest.approx(1.2)


def test_box_is_the_hull_of_all_pieces():
    mask = np.zeros((10, 12), bool)
    mask[1, 2] = mask[8, 11] = True
    assert measure(mask, "nerve").box == (2, 1, 10, 8)


def test_an_empty_class_has_area_0_and_no_place():
    found = measure(np.zeros((3, 3), bool), "nerve", (1.0, 1.0))
    assert (found.area_px, found.area_mm2, found.centroid, found.box) == (0, 0.0, None, None)


def test_without_spacing_no_area_in_mm():
    assert measure(np.ones((3, 3), bool), "nerve").area_mm2 is None


def test_a_segmentation_measures_every_class_with_the_spacing_of_its_frame():
    labels = np.array([[1, 1, 0], [0, 0, 3]], np.uint8)
    frame = Frame(np.zeros((2, 3), np.uint8), (2.0, 3.0))
    classes = ("nerve", "vessel", "muscle")
    found = Segmentation(frame, labels, np.zeros((3, 2, 3), np.float32), classes, 0.9).measurements
    assert [(m.name, m.area_px, m.area_mm2) for m in found] == [
        ("nerve", 2, 12.0),
        ("vessel", 0, 0.0),
        ("muscle", 1, 6.0),
    ]


def test_uncertainty_is_averaged_where_the_class_was_found():
    labels = np.array([[1, 1, 0], [0, 0, 2]], np.uint8)
    uncertainty = np.array([[0.5, 0.25, 0.9], [0.9, 0.9, 0.125]], np.float32)
    none = np.zeros((3, 2, 3), np.float32)
    found = Segmentation(Frame(np.zeros((2, 3), np.uint8)), labels, none, ("a", "b", "c"), 0.9, uncertainty)
    assert [found.uncertainty_within(label) for label in (1, 2, 3)] == [0.375, 0.125, None]


def test_without_uncertainty_there_is_none_to_average():
    labels = np.ones((2, 3), np.uint8)
    found = Segmentation(Frame(np.zeros((2, 3), np.uint8)), labels, np.zeros((1, 2, 3), np.float32), ("a",), 0.9)
    assert found.uncertainty_within(1) is None


def test_the_expected_dice_is_the_mean_over_the_masks_that_the_probabilities_allow():
    """Pixels drawn each for itself: the soft Dice confidence is close to the mean Dice, and 1 where all is sure."""
    rng = np.random.default_rng(0)
    nerve = rng.choice([0.05, 0.4, 0.7, 0.95], (40, 50)).astype(np.float32)
    labels = (nerve > 0.5).astype(np.uint8)
    found = Segmentation(Frame(np.zeros((40, 50), np.uint8)), labels, nerve[None], ("nerve",), 0.9)
    drawn = rng.random((200, 40, 50)) < nerve
    dice = 2 * (drawn & (labels == 1)).sum((1, 2)) / (drawn.sum((1, 2)) + labels.sum())
    assert found.expected_dice(1) == pytest.approx(dice.mean(), abs=0.01)
    sure = Segmentation(found.frame, labels, labels[None].astype(np.float32), ("nerve",), 0.9)
    assert sure.expected_dice(1) == 1
    assert Segmentation(found.frame, 0 * labels, nerve[None], ("nerve",), 0.9).expected_dice(1) is None


def test_where_looks_agree_or_not_that_is_the_expected_dice():
    labels = np.array([[1, 1, 2]], np.uint8)
    alike, frame = np.array([0.25, 0.75, 1], np.float32), Frame(np.zeros((1, 3), np.uint8))
    found = Segmentation(frame, labels, np.ones((3, 1, 3), np.float32), ("a", "b", "c"), 0.9, agreement=alike)
    assert [found.expected_dice(label) for label in (1, 2, 3)] == [0.25, 0.75, None]


def test_where_no_look_marked_what_a_low_threshold_marks_the_probabilities_are_asked():
    labels, nerve = np.array([[1, 1, 0]], np.uint8), np.array([[[0.25, 0.25, 0]]], np.float32)
    found = Segmentation(
        Frame(np.zeros((1, 3), np.uint8)), labels, nerve, ("nerve",), 0.9, agreement=np.array([np.nan], np.float32)
    )
    assert found.expected_dice(1) == pytest.approx(2 * 0.5 / (2 + 0.5))


def test_a_notebook_shows_the_frame_outlined_and_measured():
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)
    labels = np.zeros((30, 40), np.uint8)
    labels[10:20, 5:15] = 1
    answer = Segmentation(
        Frame(pixels, (0.1, 0.2)), labels, np.zeros((2, 30, 40), np.float32), ("nerve", "a < b"), 0.87
    )
    shown = answer._repr_html_()
    content = base64.b64decode(re.findall(r'src="data:image/png;base64,([^"]+)"', shown)[0])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), overlay(pixels, labels))
    assert "presence 0.87" in shown
    assert "nerve: 2.0 mm²" in shown
    assert "<li>no a &lt; b</li>" in shown
