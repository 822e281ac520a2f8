"""Every kind of picture is read as gray by the stated rule, every mask as label values."""

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis.extra import numpy as arrays
from PIL import Image

from sononerve.io.header import Header
from sononerve.io.images import (
    frame_hash,
    read_frame,
    read_header,
    read_labels,
    read_stored,
    write_png,
    write_tiff,
)

RAMP = np.arange(0, 240, 2, dtype=np.uint8).reshape(10, 12)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
COLOURS = np.array([[RED, GREEN, BLUE], [WHITE, (10, 20, 30), (7, 7, 7)]], np.uint8)
LUMA = [[76, 150, 29], [255, 18, 7]]  # 0.299 R + 0.587 G + 0.114 B by hand


def gray(path):
    return read_frame(path).pixels.tolist()


# Frames


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "a.bmp", "a.PNG"])
def test_gray_of_8_bit_is_read_as_it_is(tmp_path, name):
    Image.fromarray(RAMP).save(tmp_path / name)
    frame = read_frame(tmp_path / name)
    assert np.array_equal(frame.pixels, RAMP)
    assert frame.pixels.dtype == np.uint8
    assert frame.source == str(tmp_path / name)
    assert frame.spacing_mm is None


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_read_up_to_its_losses(tmp_path, mode):
    Image.fromarray(RAMP).convert(mode).save(tmp_path / "a.jpg", quality=98)
    assert np.abs(read_frame(tmp_path / "a.jpg").pixels.astype(int) - RAMP).max() <= 6


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_colour_becomes_luma(tmp_path, name):
    Image.fromarray(COLOURS).save(tmp_path / name)
    assert gray(tmp_path / name) == LUMA


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_colour_can_be_kept(tmp_path, name):
    Image.fromarray(COLOURS).save(tmp_path / name)
    assert np.array_equal(read_stored(tmp_path / name), COLOURS)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_gray_read_as_stored_is_the_frame(tmp_path, depth):
    Image.fromarray(RAMP.astype(depth) * depth(17 if depth == np.uint16 else 1)).save(tmp_path / "a.png")
    assert np.array_equal(read_stored(tmp_path / "a.png"), read_frame(tmp_path / "a.png").pixels)


@given(arrays.arrays(np.uint8, (3, 4)))
def test_gray_stored_as_colour_stays_exactly_as_it_is(tmp_path_factory, pixels):
    file = tmp_path_factory.getbasetemp() / "gray-as-colour.png"
    Image.fromarray(pixels).convert("RGB").save(file)
    assert np.array_equal(read_frame(file).pixels, pixels)


def test_transparency_is_composed_on_black(tmp_path):
    half = np.array([[[200, 200, 200, 255], [200, 200, 200, 128], [200, 200, 200, 0]]], np.uint8)
    Image.fromarray(half).save(tmp_path / "rgba.png")
    Image.fromarray(half).convert("LA").save(tmp_path / "la.png")
    assert gray(tmp_path / "rgba.png") == [[200, 100, 0]]
    assert gray(tmp_path / "la.png") == [[200, 100, 0]]


def palette_image():
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([*WHITE, *RED, *BLUE])
    return image


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_a_palette_is_looked_up_and_then_read_as_colour(tmp_path, name):
    palette_image().save(tmp_path / name)
    assert gray(tmp_path / name) == [[255, 76, 29]]


def test_a_transparent_entry_of_a_palette_is_black(tmp_path):
    palette_image().save(tmp_path / "a.png", transparency=0)
    assert gray(tmp_path / "a.png") == [[0, 76, 29]]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_1_bit_is_black_and_white(tmp_path, name):
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / name)
    assert gray(tmp_path / name) == [[255, 0, 255]]


def test_a_cmyk_jpeg_is_read_as_the_colour_it_prints(tmp_path):
    Image.new("CMYK", (8, 8), (0, 0, 0, 155)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_frame(tmp_path / "a.jpg").pixels.astype(int) - 100).max() <= 2


@pytest.mark.parametrize(
    ("brightest", "expected"), [(200, [0, 100, 200]), (4095, [0, 128, 255]), (65535, [0, 128, 255])]
)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_gray_is_divided_by_the_range_it_uses(tmp_path, name, brightest, expected):
    Image.fromarray(np.array([[0, (brightest + 1) // 2, brightest]], np.uint16)).save(tmp_path / name)
    assert gray(tmp_path / name) == [expected]


def save_deep(path, samples):
    """16 bit with channels: PNG through OpenCV, which wants blue first; TIFF through tifffile."""
    if path.suffix == ".png":
        order = [2, 1, 0, 3][: samples.shape[-1]]
        cv2.imwrite(str(path), samples[..., order])
    else:
        extra = {"extrasamples": ["unassalpha"]} if samples.shape[-1] == 4 else {}
        tifffile.imwrite(path, samples, photometric="rgb", **extra)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("bits", [12, 16])
def test_16_bit_colour_is_divided_by_the_range_it_uses_too(tmp_path, name, bits):
    save_deep(tmp_path / name, np.rint(COLOURS / 255.0 * (2**bits - 1)).astype(np.uint16))
    assert np.abs(read_frame(tmp_path / name).pixels.astype(int) - LUMA).max() <= 1


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_transparency_is_composed_on_black(tmp_path, name):
    save_deep(tmp_path / name, np.array([[[65535] * 4, [65535, 65535, 65535, 0], [0, 0, 0, 65535]]], np.uint16))
    assert gray(tmp_path / name) == [[255, 0, 0]]


def test_16_bit_colour_in_planes_is_the_same_as_in_pixels(tmp_path):
    planes = np.moveaxis(COLOURS, -1, 0).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    assert gray(tmp_path / "a.tif") == LUMA


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits"])
@pytest.mark.parametrize("pixels", [RAMP, RAMP.astype(np.uint16) * 257, np.stack([RAMP] * 3, -1)])
def test_compressed_tiff_is_read_alike(tmp_path, compression, pixels):
    kind = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=compression, photometric=kind)
    assert np.array_equal(read_frame(tmp_path / "a.tif").pixels, RAMP)


def test_size_comes_as_height_and_width(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png").size == (10, 12)


def test_orientation_in_exif_is_ignored_for_masks_do_not_carry_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RAMP).save(tmp_path / "a.jpg", exif=exif)
    assert read_frame(tmp_path / "a.jpg").shape == read_header(tmp_path / "a.jpg").size == (10, 12)


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_what_is_written_reads_back_exactly_as_frame_and_as_mask(tmp_path_factory, pixels):
    file = tmp_path_factory.getbasetemp() / "written.png"
    write_png(file, pixels)
    assert np.array_equal(read_frame(file).pixels, pixels)
    assert np.array_equal(read_labels(file), pixels)


def test_16_bit_and_colour_are_written_as_such(tmp_path):
    deep = np.array([[0, 65535, 300]], np.uint16)
    write_png(tmp_path / "deep.png", deep)
    write_png(tmp_path / "colour.png", COLOURS)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "deep.png")), deep)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "colour.png")), COLOURS)


# Masks


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp"])
@pytest.mark.parametrize("values", [[0, 1, 0], [0, 255, 0], [0, 1, 2], [7, 0, 3]])
def test_values_of_a_gray_mask_are_kept(tmp_path, name, values):
    Image.fromarray(np.array([values], np.uint8)).save(tmp_path / name)
    assert read_labels(tmp_path / name).tolist() == [values]


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp"])
def test_values_of_a_palette_mask_are_indices_not_colours(tmp_path, name):
    palette_image().save(tmp_path / name)
    assert read_labels(tmp_path / name).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("name", ["m.png", "m.tif", "m.bmp"])
def test_a_1_bit_mask_is_0_and_1(tmp_path, name):
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / name)
    assert [int(v > 0) for v in read_labels(tmp_path / name)[0]] == [1, 0, 1]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_gray_stored_as_colour_is_a_mask(tmp_path, mode):
    Image.fromarray(np.array([[0, 1, 255]], np.uint8)).convert(mode).save(tmp_path / "m.png")
    assert read_labels(tmp_path / "m.png").tolist() == [[0, 1, 255]]


def test_what_is_fully_transparent_in_a_mask_is_background(tmp_path):
    white = np.array([[[255, 255, 255, 0], [255, 255, 255, 255]]], np.uint8)
    Image.fromarray(white).save(tmp_path / "m.png")
    assert read_labels(tmp_path / "m.png").tolist() == [[0, 255]]


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
def test_small_labels_in_16_bit_are_kept_gray_or_colour(tmp_path, name):
    labels = np.array([[0, 1, 2]], np.uint16)
    Image.fromarray(labels).save(tmp_path / name)
    assert read_labels(tmp_path / name).tolist() == [[0, 1, 2]]
    save_deep(tmp_path / name, np.stack([labels] * 3, -1))
    assert read_labels(tmp_path / name).tolist() == [[0, 1, 2]]


def test_masks_of_usgra_seg_are_labels_0_1_2(shared_data):
    for file in sorted((shared_data / "usgra-seg" / "masks").iterdir())[::20]:
        values = read_labels(file)
        assert Image.open(file).mode == "P"
        assert set(np.unique(values)) <= {0, 1, 2}
        assert (values == 1).any()


def test_every_page_is_a_frame_and_a_mask_of_its_own(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([RAMP, RAMP[::-1]]), photometric="minisblack")
    assert read_header(tmp_path / "a.tif") == Header(2, RAMP.shape)
    for place, pixels in enumerate((RAMP, RAMP[::-1])):
        assert np.array_equal(read_frame(tmp_path / "a.tif", place).pixels, pixels)
        assert np.array_equal(read_labels(tmp_path / "a.tif", place), pixels)
    assert frame_hash(tmp_path / "a.tif", 0) != frame_hash(tmp_path / "a.tif", 1)


@pytest.mark.parametrize("size", [(1, 1), (7, 500)])
def test_a_tiff_is_packed_without_loss(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    write_tiff(tmp_path / "a" / "b.tif", pixels)
    assert np.array_equal(read_frame(tmp_path / "a" / "b.tif").pixels, pixels)
    assert np.array_equal(tifffile.imread(tmp_path / "a" / "b.tif"), pixels)
