"""One definition of what the network sees: scaled once, centred, black around, and back again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pydantic import ValidationError

from sononerve.data.preprocess import Preprocess
from sononerve.data.screen import whole
from sononerve.frame import Area

SIDE = st.integers(24, 90)
CANVAS = st.integers(20, 70)


def disc(shape, radius, centre=None):
    y, x = np.indices(shape)
    row, column = centre or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    return ((y - row) ** 2 + (x - column) ** 2 <= radius**2).astype(np.uint8)


def centroid(weights):
    y, x = np.indices(weights.shape)
    return np.array([(y * weights).sum(), (x * weights).sum()]) / weights.sum()


def inside(preprocess, shape):
    """Rows and columns of the canvas that the frame covers, without its edge."""
    scale = preprocess.scale(shape)
    top, left = (preprocess.height - shape[0] * scale) / 2, (preprocess.width - shape[1] * scale) / 2
    return np.s_[
        int(np.ceil(top)) : preprocess.height - int(np.ceil(top)),
        int(np.ceil(left)) : preprocess.width - int(np.ceil(left)),
    ]


@given(arrays.arrays(np.uint8, st.tuples(SIDE, SIDE), elements=st.integers(0, 255)), CANVAS, CANVAS)
def test_every_frame_fits_the_canvas_and_keeps_its_range(pixels, height, width):
    canvas = Preprocess(height=height, width=width).frame(pixels)
    assert canvas.shape == (height, width)
    assert canvas.dtype == np.uint8
    assert canvas.max() <= pixels.max()


@given(SIDE, SIDE, CANVAS, CANVAS, st.integers(1, 255))
def test_a_blank_frame_stays_blank_inside_and_is_black_around(height, width, canvas_height, canvas_width, level):
    preprocess = Preprocess(height=canvas_height, width=canvas_width)
    canvas = preprocess.frame(np.full((height, width), level, np.uint8))
    assert (canvas[inside(preprocess, (height, width))] == level).all()
    assert set(np.unique(canvas)) <= {0, level}
    share = height * width * preprocess.scale((height, width)) ** 2
    assert abs((canvas > 0).sum() - share) <= 2 * (canvas_height + canvas_width)


@given(
    st.integers(2, 9), st.integers(2, 9), st.integers(1, 7), st.integers(1, 7), st.integers(0, 6), st.integers(0, 99)
)
def test_scaling_agrees_with_pillow_where_the_size_is_whole(a, b, source, target, margin, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (a * source, b * source), dtype=np.uint8)
    preprocess = Preprocess(height=a * target, width=b * target + 2 * margin)
    size = (b * target, a * target)
    expected = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=None))
    found = preprocess.frame(pixels)[:, margin : margin + size[0]]
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_a_real_frame_agrees_with_pillow(usgra):
    pixels = usgra[0].frame.pixels
    size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
    expected = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=None))
    found = Preprocess(height=size[1], width=size[0]).frame(pixels)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_same_size_is_the_same_frame():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    assert np.array_equal(Preprocess(height=40, width=50).frame(pixels), pixels)
    assert np.array_equal(Preprocess(height=46, width=50).frame(pixels)[3:43], pixels)


@given(SIDE, SIDE, CANVAS, CANVAS)
def test_mask_and_frame_stay_on_top_of_each_other(height, width, canvas_height, canvas_width):
    preprocess = Preprocess(height=canvas_height, width=canvas_width)
    blob = disc((height, width), 7, (height * 0.4, width * 0.6))
    canvas, mask = preprocess.frame(blob * 255), preprocess.mask(blob, 1)
    if mask.sum() < 9:
        return
    assert np.abs(centroid(canvas.astype(float)) - centroid(mask)).max() < 0.6
    assert (mask[canvas > 128] == 1).all()
    assert (canvas[mask == 1] >= 127).all()


def test_each_canvas_pixel_takes_the_label_that_covers_most_of_it():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:32], labels[:, 32:] = 1, 2
    mask = Preprocess(height=10, width=16).mask(labels, 2)
    assert (mask[:, :3] == 0).all()
    assert (mask[:, 13:] == 0).all()
    assert mask[5, 3:13].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(("stripes", "winner"), [("0001112222", 2), ("0001111222", 1), ("0000111222", 0)])
def test_of_three_labels_in_one_pixel_the_most_frequent_wins_without_a_majority(stripes, winner):
    labels = np.tile(np.array([int(c) for c in stripes], np.uint8), (30, 3))
    assert Preprocess(height=3, width=3).mask(labels, 2)[1, 1] == winner


def test_a_class_that_is_not_there_does_not_appear():
    labels = disc((60, 60), 20)
    assert set(np.unique(Preprocess(height=32, width=48).mask(labels * 2, 2))) == {0, 2}
    assert not Preprocess(height=32, width=48).mask(np.zeros((60, 60), np.uint8), 2).any()


@given(SIDE, SIDE, CANVAS, CANVAS)
def test_there_and_back_keeps_place_and_area_of_a_disc(height, width, canvas_height, canvas_width):
    preprocess = Preprocess(height=canvas_height, width=canvas_width)
    shape = (height, width)
    radius = min(shape) / 3
    drawn = disc(shape, radius, (height / 2 - 2, width / 2 + 1))
    back = preprocess.restore(preprocess.frame(drawn * 255).astype(np.float32) / 255, shape)
    assert back.shape == shape
    pixel = max(1.0, 1 / preprocess.scale(shape))  # what one pixel of the coarser of the two covers
    assert np.abs(centroid(back > 0.5) - centroid(drawn)).max() < 0.3 * pixel
    assert abs((back > 0.5).sum() - drawn.sum()) < 0.35 * pixel * 2 * np.pi * radius


def test_several_maps_are_restored_alike():
    preprocess = Preprocess(height=20, width=30)
    maps = np.random.default_rng(0).random((3, 20, 30), np.float32)
    back = preprocess.restore(maps, (50, 61))
    assert back.shape == (3, 50, 61)
    assert np.allclose(back[1], preprocess.restore(maps[1], (50, 61)), atol=1e-6)
    assert np.allclose(preprocess.restore(np.ones((20, 30), np.float32), (50, 61)), 1, atol=1e-5)


@given(SIDE, SIDE, CANVAS, CANVAS)
def test_boxes_follow_the_pixels(height, width, canvas_height, canvas_width):
    preprocess = Preprocess(height=canvas_height, width=canvas_width)
    pixels = np.zeros((height, width), np.uint8)
    box = np.array([[3, 5, width - 8, height - 4]], np.float32)
    pixels[5 : height - 4, 3 : width - 8] = 255
    rows, columns = np.nonzero(preprocess.frame(pixels) > 127)
    hull = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(preprocess.boxes(box, whole((height, width)))[0] - hull).max() <= 1


def test_a_frame_is_normalised_by_its_own_mean_and_deviation():
    canvas = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    values = Preprocess(height=30, width=40).normalise(canvas)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 1e-5
    assert values.std() == pytest.approx(1, abs=1e-5)
    darker = Preprocess(height=30, width=40).normalise(canvas.astype(np.float32) * 0.5 + 7)
    assert np.allclose(darker, values, atol=1e-4)


def test_a_blank_frame_is_normalised_to_zeros():
    assert (Preprocess(height=4, width=4).normalise(np.full((4, 4), 90, np.uint8)) == 0).all()


def test_fixed_normalisation_takes_the_numbers_given():
    preprocess = Preprocess(height=1, width=3, normalisation="fixed", mean=100, std=50)
    assert preprocess.normalise(np.array([[0, 100, 200]], np.uint8)).tolist() == [[-2, 0, 2]]


@pytest.mark.parametrize("settings", [{"height": 0}, {"std": 0}, {"normalisation": "batch"}, {"heigth": 3}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValidationError):
        Preprocess(**({"height": 10, "width": 10} | settings))


def test_a_close_up_is_seen_in_training_as_at_run_time_where_the_scan_alone_is() -> None:
    """At run time the graph is given the close-up alone, and looks for the scan in it."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((400, 600), np.uint8)
    pixels[40:360, 150:450] = rng.integers(40, 200, (320, 300), dtype=np.uint8)
    labels = np.zeros_like(pixels)
    labels[60:90, 160:200] = 1
    seen = Preprocess(height=96, width=144, region="scan", close_up=3)
    again = Preprocess(height=96, width=144, region="scan")
    crop = Area.close_up((160, 60, 200, 90), pixels.shape, 3)
    assert np.array_equal(seen.frame(pixels, seen.area(pixels, labels)), again.frame(pixels[crop.slices]))
    assert seen.area(pixels, labels) != crop  # the black beside the scan is left out
