"""DICOM files that are cut off, lie about themselves or would fill the memory get one sentence, without a name."""

from __future__ import annotations

import tracemalloc

import dicoms
import numpy as np
import pytest
from dicoms import GRAY, LOSSLESS, LOSSY, ultrasound, write
from pydicom import uid
from pydicom.encaps import encapsulate

from sononerve.errors import InputError
from sononerve.io import dicom, frames


def refused(path, read=frames.read_frame, place=0):
    """What is said of it: one sentence that names the file and no person."""
    with pytest.raises(InputError) as error:
        read(path, place) if read is not frames.read_header else read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "Doe" not in message
    return message


def with_pixel_data(tmp_path, data, syntax=uid.JPEGBaseline8Bit, **elements):
    found = ultrasound(GRAY, uid.JPEGBaseline8Bit, **elements)
    found.file_meta.TransferSyntaxUID = syntax
    found.PixelData = data
    found["PixelData"].VR = "OB"
    return write(tmp_path / "a.dcm", found)


@pytest.mark.parametrize("syntax", dicoms.COMPRESSED, ids=lambda s: s.name)
def test_a_compressed_frame_of_another_size_than_the_header_says_is_refused(tmp_path, syntax):
    for elements in ({"Rows": 41}, {"Columns": 30}, {"Rows": 4, "Columns": 6}, {"Rows": 20, "Columns": 30}):
        path = write(tmp_path / "a.dcm", ultrasound(GRAY, syntax, **elements))
        assert "the DICOM file is damaged, cut off or not an image" in refused(path)


@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY], ids=lambda s: s.name)
def test_a_compressed_bomb_is_refused_before_it_is_unpacked(tmp_path, syntax):
    bomb = (LOSSLESS | LOSSY)[syntax](np.zeros((6000, 6000), np.uint8))
    path = with_pixel_data(tmp_path, encapsulate([bytes(bomb)]), syntax, NumberOfFrames=1)
    tracemalloc.start()
    refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


@pytest.mark.parametrize("syntax", dicoms.COMPRESSED, ids=lambda s: s.name)
def test_a_compressed_file_cut_off_is_refused(tmp_path, syntax):
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8)
    path = write(tmp_path / "a.dcm", ultrasound(noise, syntax))
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 4])
    frames.read_frame(path, 0)
    refused(path, place=1)


def test_a_native_file_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "a.dcm", ultrasound(GRAY))
    path.write_bytes(path.read_bytes()[:-500])
    refused(path, place=2)


def test_a_number_of_frames_that_lies_is_refused_where_they_end(tmp_path):
    for syntax in (uid.ExplicitVRLittleEndian, uid.JPEGLSLossless, uid.RLELossless):
        path = write(tmp_path / "a.dcm", ultrasound(GRAY, syntax, NumberOfFrames=900))
        assert frames.read_header(path).frames == 900
        refused(path, place=500)


ITEM = b"\xfe\xff\x00\xe0"


@pytest.mark.parametrize("data", [b"", ITEM + bytes(4), ITEM + b"\xff\xff\xff\x7f" + bytes(9)], ids=range(3))
def test_fragments_that_lie_about_their_size_are_refused(tmp_path, data):
    path = with_pixel_data(tmp_path, encapsulate([b"\xff\xd8" * 9]))
    content = path.read_bytes()
    at = content.index(ITEM)
    path.write_bytes(content[:at] + data)
    refused(path)


@pytest.mark.parametrize(
    ("elements", "fix"),
    [
        ({"Rows": 40_000, "Columns": 40_000}, "40000 x 40000 pixels; expected at most 50000000"),
        ({"NumberOfFrames": 2_000_000}, "says it holds 2000000 frames; expected at most 1000000"),
        ({"NumberOfFrames": -3}, "says it"),
        ({"Rows": 0}, "says it"),
        ({"BitsStored": 0}, "0 bits in 8"),
        ({"PixelRepresentation": 1}, "without sign"),
        ({"PhotometricInterpretation": "HSV"}, "expected gray, RGB, YBR or palette"),
        ({"SamplesPerPixel": 4}, "MONOCHROME2 colours in 4 sample(s) a pixel"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "32 bits"),
    ],
)
def test_a_header_that_cannot_be_is_refused_before_decoding(tmp_path, elements, fix):
    path = write(tmp_path / "a.dcm", ultrasound(GRAY, **elements))
    assert fix in refused(path, frames.read_header)
    assert fix in refused(path)


def test_a_deflated_bomb_is_refused_within_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom, "MAX_INFLATED", 1_000_000)
    whole = write(tmp_path / "a.dcm", ultrasound(GRAY))
    path = dicoms.deflate(tmp_path / "b.dcm", whole, bytes(50_000_000))
    tracemalloc.start()
    assert "unpacks to more than 1000000 bytes" in refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def test_segments_of_a_palette_that_swell_are_refused(tmp_path):
    names = ("Red", "Green", "Blue")
    lines = np.array([1, 65535, 7] * 5000, "<u2").tobytes()
    elements = {f"Segmented{name}PaletteColorLookupTableData": lines for name in names}
    elements |= {f"{name}PaletteColorLookupTableDescriptor": [0, 0, 16] for name in names}
    found = ultrasound(GRAY, photometric="PALETTE COLOR", **elements)
    refused(write(tmp_path / "a.dcm", found))


@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(128) + b"DICM", bytes(128) + b"DICM" + bytes(range(256)) * 3], ids=range(4)
)
def test_what_only_is_called_dicom_is_refused(tmp_path, content):
    (tmp_path / "a.dcm").write_bytes(content)
    refused(tmp_path / "a.dcm")
