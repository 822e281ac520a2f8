"""Every bad picture gets one sentence: its name and the fix, and neither time nor memory."""

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sononerve.errors import InputError
from sononerve.io.images import frame_hash, read_frame, read_header, read_labels, read_stored

READERS = pytest.mark.parametrize("read", [read_frame, read_stored, read_labels, read_header])
RAMP = np.arange(0, 240, 2, dtype=np.uint8).reshape(10, 12)
COLOURS = np.arange(0, 180, 10, dtype=np.uint8).reshape(2, 3, 3)


def png_header(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(path):
    Image.fromarray(RAMP).save(path, format="JPEG")


def colour(path):
    Image.fromarray(COLOURS).save(path)


def cmyk(path):
    Image.new("CMYK", (4, 3)).save(path, format="TIFF")


def floats(path):
    tifffile.imwrite(path, np.array([[0.5, 1.0]], np.float32))


def deep(path):
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(path)


@pytest.mark.parametrize(
    ("name", "write", "fix"),
    [
        ("m.jpg", jpeg, "save the masks as PNG or TIFF"),
        ("m.png", jpeg, "save the masks as PNG or TIFF"),
        ("m.png", colour, "expected label values"),
        ("m.tif", cmyk, "expected label values"),
        ("m.tif", floats, "save the label values as 8 bit"),
        ("m.png", deep, "label value 300; expected 0 for background"),
    ],
)
def test_what_cannot_be_a_mask_is_refused(tmp_path, name, write, fix):
    write(tmp_path / name)
    with pytest.raises(InputError, match=fix) as refused:
        read_labels(tmp_path / name)
    assert str(refused.value).startswith(str(tmp_path / name))


def check_sentence(refused, path, fix):
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert fix in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 300


def pages(path):
    tifffile.imwrite(path, np.stack([RAMP, RAMP[::-1]]), photometric="minisblack")


def animation(kind):
    def write(path):
        Image.fromarray(RAMP).save(path, format=kind, save_all=True, append_images=[Image.fromarray(RAMP[::-1])])

    return write


def content(data):
    return lambda path: path.write_bytes(data)


@READERS
@pytest.mark.parametrize(
    ("name", "write", "fix"),
    [
        ("a.png", lambda _: None, "no such file"),
        ("a.png", lambda path: path.mkdir(), "is a folder"),
        ("a.png", content(b""), "expected PNG, JPEG, TIFF or BMP"),
        ("a.png", content(b"patient,side\n1,left\n"), "expected PNG, JPEG, TIFF or BMP"),
        ("a.tif", content(b"II*\x00"), ""),
        ("a.png", content(png_header(9000, 9000)), "9000 x 9000 pixels; expected at most 50000000: crop or shrink it"),
        ("a.png", animation("PNG"), "an animation of 2 pictures; expected one frame"),
        ("a.png", animation("GIF"), "expected PNG, JPEG, TIFF or BMP"),
    ],
)
def test_a_file_that_is_no_single_picture_gets_one_sentence(tmp_path, read, name, write, fix):
    write(tmp_path / name)
    with pytest.raises(InputError) as refused:
        read(tmp_path / name)
    check_sentence(refused, tmp_path / name, fix)


@pytest.mark.parametrize("read", [read_frame, read_labels, frame_hash])
def test_of_a_file_of_pages_it_must_be_said_which(tmp_path, read):
    pages(tmp_path / "a.tif")
    for place, fix in ((None, "holds 2 frames; say which, from 0"), (2, "no frame 2; it holds 2, counted from 0")):
        with pytest.raises(InputError) as refused:
            read(tmp_path / "a.tif", place)
        check_sentence(refused, tmp_path / "a.tif", fix)


def test_a_page_of_another_size_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RAMP, photometric="minisblack")
        file.write(RAMP[:4], photometric="minisblack")
    with pytest.raises(InputError, match="expected pages of one size"):
        read_frame(tmp_path / "a.tif", 1)


@READERS
def test_a_header_of_40_000_x_40_000_is_refused_at_once_without_memory(tmp_path, read):
    (tmp_path / "a.png").write_bytes(png_header(40_000, 40_000))
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(InputError) as refused:
        read(tmp_path / "a.png")
    spent = time.perf_counter() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    check_sentence(refused, tmp_path / "a.png", "expected at most 50000000: crop or shrink it")
    assert peak < 5e6
    assert spent < 2


def test_a_file_of_too_many_bytes_is_not_even_opened(tmp_path):
    with (tmp_path / "a.bmp").open("wb") as file:
        file.truncate(600_000_000)
    with pytest.raises(InputError, match="600000000 bytes; expected at most 500000000"):
        read_frame(tmp_path / "a.bmp")


@pytest.mark.parametrize(
    "pixels",
    [RAMP.astype(np.float32), RAMP.astype(np.float64), RAMP.astype(np.int32) * 1000, RAMP.astype(np.int16) - 9],
)
def test_pixels_of_other_kinds_are_refused_not_clipped(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(InputError) as refused:
        read_frame(tmp_path / "a.tif")
    check_sentence(refused, tmp_path / "a.tif", "8 or 16 bit")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp"])
def test_a_file_that_was_cut_off_is_refused_wherever_it_ends(tmp_path, name):
    file = tmp_path / name
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)).save(file)
    whole = file.read_bytes()
    for share in (0.01, 0.1, 0.5, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError) as refused:
            read_frame(file)
        check_sentence(refused, file, "export" if share > 0.2 else "")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """Small files of every format, as bytes."""
    folder, files = tmp_path_factory.mktemp("healthy"), {}
    for suffix in (".png", ".jpg", ".tif", ".bmp"):
        Image.fromarray(COLOURS).save(folder / f"a{suffix}")
        files[suffix] = (folder / f"a{suffix}").read_bytes()
    tifffile.imwrite(folder / "deep.tif", COLOURS.astype(np.uint16) * 257, photometric="rgb")
    return [*files.items(), (".tif", (folder / "deep.tif").read_bytes())]


@given(which=st.integers(0, 4), changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4))
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path_factory, healthy, which, changes):
    suffix, whole = healthy[which]
    damaged = bytearray(whole)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    file = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    file.write_bytes(damaged)
    for read in (read_frame, read_labels, read_header):
        try:
            read(file)
        except InputError as error:
            assert str(error).startswith(str(file))
            assert "\n" not in str(error)
