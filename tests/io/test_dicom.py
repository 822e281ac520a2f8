"""Ultrasound DICOM: pydicom's own files against SimpleITK, own files in every compression, spacing, time."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import dicoms
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from dicoms import GRAY, LOSSLESS, LOSSY, NATIVE, SECRET, region, ultrasound, write
from pydicom import uid
from pydicom.data import get_testdata_file

from sononerve.errors import InputError
from sononerve.io import dicom, frames
from sononerve.io.header import Header, stamp

RNG = np.random.default_rng(0)
COLOUR = np.stack([np.stack([f, f // 2, 255 - f], -1) for f in GRAY])


def luma(rgb):
    rgb = rgb.astype(int)
    return ((299 * rgb[..., 0] + 587 * rgb[..., 1] + 114 * rgb[..., 2] + 500) // 1000).astype(np.uint8)


# pydicom's files

SIMPLEITK_TOO = (
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "US1_J2KI.dcm",
    "US1_J2KR.dcm",
    "US1_UNCI.dcm",
    "US1_UNCR.dcm",
    "color-pl.dcm",
    "color-px.dcm",
    "color3d_jpeg_baseline.dcm",
    "examples_ybr_color.dcm",
    "examples_rgb_color.dcm",
    "examples_jpeg2k.dcm",
    "ExplVR_BigEnd.dcm",
    "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm",
    "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_dcmtk_+eb+cy+s4.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_jpeg_lossy_gdcm.dcm",
    "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_rgb_jls_lossy_sample.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "SC_ybr_full_uncompressed.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "SC_jpeg_no_color_transform.dcm",
    "SC_jpeg_no_color_transform_2.dcm",
    "SC_rgb_jpeg_app14_dcmd.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "JPEGLSNearLossless_08.dcm",
    "image_dfl.dcm",
    "OBXXXX1A.dcm",
    "OBXXXX1A_expb.dcm",
    "OBXXXX1A_rle_2frame.dcm",
    "examples_palette.dcm",
)
"""8-bit files of pydicom that SimpleITK, which uses GDCM, reads too: every compression, photometric, byte order."""


def by_simpleitk(path: Path) -> np.ndarray:
    """Frames as gray, by the rule for colours."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    if found.dtype == np.uint16:  # a palette's colours
        found = np.rint(found * (255 / 65535)).astype(np.uint8)
    return luma(found) if found.ndim == 4 else found


@pytest.mark.parametrize("name", SIMPLEITK_TOO)
def test_every_frame_is_what_simpleitk_reads(name):
    path = Path(get_testdata_file(name, download=False))
    expected = by_simpleitk(path)
    assert frames.read_header(path).frames == len(expected)
    for place in {0, len(expected) // 2, len(expected) - 1}:
        found = frames.read_frame(path, place).pixels
        off = np.abs(found.astype(int) - expected[place])
        assert off.max() <= 1
        assert off.mean() < 0.05


@pytest.mark.parametrize(
    ("name", "white"),
    [
        ("JPGExtended.dcm", 4095),
        ("JPEG-lossy.dcm", 4095),
        ("emri_small_RLE.dcm", 4095),
        ("JPEGLSNearLossless_16.dcm", 65535),
        ("RG3_J2KI.dcm", 1023),  # MONOCHROME1, which SimpleITK inverts too
        ("RG1_UNCI.dcm", 32767),
    ],
)
def test_deep_frames_are_what_simpleitk_reads_by_the_range_of_bits_stored(name, white):
    path = Path(get_testdata_file(name, download=False))
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(float)[-1].clip(0, white)
    expected = np.rint(stored * (255 / white))
    assert np.array_equal(frames.read_frame(path, frames.read_header(path).frames - 1).pixels, expected)


@pytest.mark.parametrize(
    ("name", "header", "time_s"),
    [
        ("color3d_jpeg_baseline.dcm", Header(120, (480, 640), (0.5104970559477806,) * 2), 119 * 0.033333),
        ("examples_ybr_color.dcm", Header(30, (240, 320), (0.5104970559477806,) * 2), 29 * 0.033333),
        ("JPGLosslessP14SV1_1s_1f_8b.dcm", Header(1, (768, 1024), (0.25476696592378156,) * 2), None),
        ("US1_J2KI.dcm", Header(1, (480, 640), None), None),
        ("OBXXXX1A.dcm", Header(1, (600, 800), None), None),  # two regions: image and trace
        ("gdcm-US-ALOKA-16.dcm", Header(1, (480, 640), None), None),  # three regions
        ("SC_rgb.dcm", Header(1, (100, 100), None), None),  # PixelSpacing 1 x 1
    ],
)
def test_size_spacing_and_time_of_ultrasound_files(name, header, time_s):
    path = Path(get_testdata_file(name, download=False))
    assert frames.read_header(path) == header
    frame = frames.read_frame(path, header.frames - 1)
    assert (frame.spacing_mm, frame.shape) == (header.spacing_mm, header.size)
    assert frame.time_s == (None if time_s is None else pytest.approx(time_s))


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm"),  # palette in segments, 16 bit
        ("OBXXXX1A_expb.dcm", "OBXXXX1A.dcm"),
        ("OBXXXX1A_rle.dcm", "OBXXXX1A.dcm"),
        ("SC_rgb_rle_16bit.dcm", "SC_rgb_16bit.dcm"),
        ("SC_rgb_expb_16bit_2frame.dcm", "SC_rgb_16bit_2frame.dcm"),
        ("US1_J2KR.dcm", "US1_UNCR.dcm"),
        ("US1_J2KI.dcm", "US1_UNCI.dcm"),
        ("emri_small_jpeg_ls_lossless.dcm", "emri_small.dcm"),
        ("emri_small_RLE.dcm", "emri_small.dcm"),
        ("emri_small_big_endian.dcm", "emri_small.dcm"),
        ("emri_small_jpeg_2k_lossless.dcm", "emri_small.dcm"),
    ],
)
def test_one_picture_in_two_encodings_is_one_frame(name, same_as):
    one, other = (Path(get_testdata_file(n, download=False)) for n in (name, same_as))
    for place in range(frames.read_header(other).frames):
        assert np.array_equal(frames.read_frame(one, place).pixels, frames.read_frame(other, place).pixels)
        assert frames.frame_hash(one, place) == frames.frame_hash(other, place)


# Own files


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS, uid.RLELossless], ids=lambda s: s.name)
@pytest.mark.parametrize("stored", [GRAY, GRAY[:1], COLOUR], ids=["gray", "one", "colour"])
def test_what_is_kept_without_loss_comes_back(tmp_path, syntax, stored):
    path = write(tmp_path / "a.dcm", ultrasound(stored, syntax))
    assert frames.read_header(path) == Header(len(stored), (40, 60), None)
    for place, pixels in enumerate(stored):
        expected = luma(pixels) if pixels.ndim == 3 else pixels
        assert np.array_equal(frames.read_frame(path, place).pixels, expected)


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda s: s.name)
@pytest.mark.parametrize("stored", [GRAY, COLOUR], ids=["gray", "colour"])
def test_what_is_compressed_with_loss_comes_back_nearly(tmp_path, syntax, stored):
    path = write(tmp_path / "a.dcm", ultrasound(stored, syntax))
    for place, pixels in enumerate(stored):
        expected = (luma(pixels) if pixels.ndim == 3 else pixels).astype(int)
        off = np.abs(frames.read_frame(path, place).pixels - expected)
        assert off.mean() < 2.5
        assert off.max() < 40


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS, uid.RLELossless], ids=lambda s: s.name)
def test_16_bits_are_divided_by_what_bits_stored_says(tmp_path, syntax):
    deep = GRAY.astype(np.uint16) * 16
    path = write(tmp_path / "a.dcm", ultrasound(deep, syntax, BitsStored=12, HighBit=11))
    for place, pixels in enumerate(deep):
        expected = np.rint(pixels * (255 / 4095))
        assert np.array_equal(frames.read_frame(path, place).pixels, expected)


def test_the_same_brightness_is_the_same_gray_in_every_frame(tmp_path):
    dark, bright = np.full((8, 8), 200, np.uint16), np.full((8, 8), 4000, np.uint16)
    bright[0] = 200
    path = write(tmp_path / "a.dcm", ultrasound(np.stack([dark, bright]), BitsStored=12, HighBit=11))
    assert frames.read_frame(path, 0).pixels[0, 0] == frames.read_frame(path, 1).pixels[0, 0] == 12


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.JPEGLosslessSV1, uid.RLELossless])
@pytest.mark.parametrize(("stored", "white"), [(8, 255), (7, 127)])
def test_monochrome1_is_turned_round(tmp_path, syntax, stored, white):
    found = ultrasound(GRAY // 2, syntax, "MONOCHROME1", BitsStored=stored, HighBit=stored - 1)
    path = write(tmp_path / "a.dcm", found)
    expected = np.rint((white - (GRAY[1] // 2).astype(int)) * (255 / white))
    assert np.array_equal(frames.read_frame(path, 1).pixels, expected)


@pytest.mark.parametrize("planar", [0, 1])
def test_ybr_is_converted_and_planes_are_put_together(tmp_path, planar):
    ycc = np.stack([GRAY, np.full_like(GRAY, 90), np.full_like(GRAY, 160)], -1)
    found = ultrasound(ycc, photometric="YBR_FULL")
    if planar:
        found.PixelData, found.PlanarConfiguration = np.moveaxis(ycc, -1, 1).tobytes(), 1
    y, cb, cr = (ycc[..., i].astype(float) for i in range(3))
    rgb = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    expected = luma(np.rint(np.stack(rgb, -1)).clip(0, 255))
    off = frames.read_frame(write(tmp_path / "a.dcm", found), 2).pixels.astype(int) - expected[2]
    assert np.abs(off).max() <= 1


def test_windows_and_rescaling_are_left_out(tmp_path):
    shown = {"WindowCenter": 10, "WindowWidth": 5, "RescaleSlope": 3, "RescaleIntercept": -9}
    path = write(tmp_path / "a.dcm", ultrasound(GRAY, **shown))
    assert np.array_equal(frames.read_frame(path, 0).pixels, GRAY[0])


def test_a_file_without_an_ending_is_known_by_its_mark(tmp_path):
    path = write(tmp_path / "1.2.840.113619.2", ultrasound(GRAY[:1]))
    assert frames.is_source(path)
    assert frames.stem_of(path) == path.name
    assert np.array_equal(frames.read_frame(path).pixels, GRAY[0])
    (tmp_path / "notes").write_text("nothing")
    assert not frames.is_source(tmp_path / "notes")


def test_a_deflated_file_is_read(tmp_path):
    path = dicoms.deflate(tmp_path / "b.dcm", write(tmp_path / "a.dcm", ultrasound(GRAY)))
    assert np.array_equal(frames.read_frame(path, 2).pixels, GRAY[2])


def test_masks_are_stored_values(tmp_path):
    labels = (GRAY > 60).astype(np.uint8) * 2
    path = write(tmp_path / "a.dcm", ultrasound(labels, uid.RLELossless))
    assert np.array_equal(frames.read_labels(path, 1), labels[1])
    for syntax, stored, photometric in (
        (uid.JPEGBaseline8Bit, labels, None),
        (uid.ExplicitVRLittleEndian, COLOUR, None),
        (uid.ExplicitVRLittleEndian, labels, "MONOCHROME1"),
        (uid.ExplicitVRLittleEndian, labels.astype(np.uint16) * 300, None),
    ):
        with pytest.raises(InputError, match=r"a mask in colour, inverted or compressed with loss|label value 600"):
            frames.read_labels(write(tmp_path / "b.dcm", ultrasound(stored, syntax, photometric)), 1)


# Spacing and time


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({"SequenceOfUltrasoundRegions": [region(0.008, row_delta=0.012)]}, (0.12, 0.08)),
        ({"SequenceOfUltrasoundRegions": [region(-0.008, row_delta=-0.012)]}, (0.12, 0.08)),
        ({"SequenceOfUltrasoundRegions": [region(), region()]}, None),
        ({"SequenceOfUltrasoundRegions": [region(), region(form=2)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(), region()], "PixelSpacing": [0.1, 0.1]}, None),
        ({"SequenceOfUltrasoundRegions": [region(units=4)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(form=3)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(0)]}, None),
        ({"SequenceOfUltrasoundRegions": []}, None),
        ({"PixelSpacing": [0.12, 0.08]}, (0.12, 0.08)),
        ({"PixelSpacing": [1, 1]}, None),
        ({"PixelSpacing": [0, 0]}, None),
        ({"ImagerPixelSpacing": [0.1, 0.1]}, None),
        ({}, None),
    ],
)
def test_spacing_is_known_from_one_region_or_pixel_spacing_and_else_unknown(tmp_path, elements, spacing):
    path = write(tmp_path / "a.dcm", ultrasound(GRAY, **elements))
    expected = None if spacing is None else pytest.approx(spacing)
    assert frames.read_header(path).spacing_mm == expected
    assert frames.read_frame(path, 0).spacing_mm == expected
    assert frames.read_frame(path, 0, (0.5, 0.25)).spacing_mm == (0.5, 0.25)


@pytest.mark.parametrize(
    ("elements", "times"),
    [
        ({"FrameTime": 40}, [0, 0.04, 0.08]),
        ({"FrameTimeVector": [0, 40, 60]}, [0, 0.04, 0.1]),
        ({"FrameTimeVector": [0, 40], "FrameTime": 20}, [0, 0.02, 0.04]),
        ({"CineRate": 50}, [0, 0.02, 0.04]),
        ({"FrameTime": 0, "CineRate": 0}, [None] * 3),
        ({}, [None] * 3),
    ],
)
def test_time_of_each_frame(tmp_path, elements, times):
    path = write(tmp_path / "a.dcm", ultrasound(GRAY, **elements))
    found = [frames.read_frame(path, place).time_s for place in range(3)]
    assert found == [None if t is None else pytest.approx(t) for t in times]


def test_no_name_of_a_person_comes_out(tmp_path, caplog, capfd):
    """Whatever is broken: not in a message, a warning, a log, or what is known of the frame."""
    whole = write(tmp_path / "a.dcm", ultrasound(GRAY, uid.JPEGLosslessSV1, SequenceOfUltrasoundRegions=[region()]))
    content = whole.read_bytes()
    assert SECRET.encode() in content
    frame = frames.read_frame(whole, 1)
    assert SECRET not in repr((frame, frames.read_header(whole), frames.frame_hash(whole, 1)))
    rng = np.random.default_rng(1)
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.WARNING):
        for _ in range(150):
            broken = bytearray(content)
            for at in rng.integers(132, len(content), 4):
                broken[at] = rng.integers(0, 256)
            path = tmp_path / "b.dcm"
            path.write_bytes(broken)
            try:
                frames.read_frame(path, 1)
            except InputError as error:
                assert "Doe" not in str(error)
                assert "\n" not in str(error)
    said = [str(w.message) for w in warned] + [*capfd.readouterr()]
    assert not any("Doe" in text for text in said)


def test_nothing_of_a_person_is_kept_in_memory(tmp_path):
    tables = {f"{name}PaletteColorLookupTableData": bytes(range(256)) for name in ("Red", "Green", "Blue")}
    tables |= {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 8] for name in ("Red", "Green", "Blue")}
    path = write(tmp_path / "a.dcm", ultrasound(GRAY, photometric="PALETTE COLOR", **tables))
    assert np.array_equal(frames.read_frame(path, 1).pixels, GRAY[1])
    deflated = dicoms.deflate(tmp_path / "b.dcm", path)
    assert np.array_equal(frames.read_frame(deflated, 1).pixels, GRAY[1])
    for kept in (dicom._image(path).palette, dicom._image(deflated).palette, dicom._inflated(stamp(deflated))):
        assert "PatientName" not in kept
        assert "PatientID" not in kept
    assert "PixelData" not in dicom._image(deflated).palette


def test_opening_decodes_nothing(tmp_path, monkeypatch):
    path = write(tmp_path / "a.dcm", ultrasound(GRAY, uid.JPEGLSLossless))
    monkeypatch.setattr(dicom, "pixel_array", lambda *_, **__: pytest.fail("decoded"))
    assert frames.read_header(path).frames == 3
