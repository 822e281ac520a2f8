"""NIfTI: planes as SimpleITK shows them, spacing only where it is known, and files that would swell or lie."""

from __future__ import annotations

import gzip
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.io import frames, nifti
from sononerve.io.header import Header

RNG = np.random.default_rng(0)
VOLUME = RNG.integers(0, 256, (60, 40, 5), np.uint8)  # 60 columns, 40 rows
VOLUME[0, 0] = 255


def save(path, voxels, zooms=(0.1, 0.2), unit="mm", time_unit=None, kind=nib.Nifti1Image, affine=None):
    """A NIfTI file of these voxels."""
    image = kind(voxels, np.eye(4) if affine is None else affine, dtype=voxels.dtype)
    image.header.set_zooms([*zooms, *[1.0] * (voxels.ndim - len(zooms))])
    image.header.set_xyzt_units(unit, time_unit)
    nib.save(image, path)
    return path


@pytest.fixture
def volume(tmp_path):
    return save(tmp_path / "a.nii.gz", VOLUME)


def test_scaled_voxels_take_no_more_memory_than_a_few_times_their_bytes(tmp_path):
    path = save(tmp_path / "a.nii", np.full((64, 64, 2000), 3, np.uint8))
    with path.open("r+b") as file:
        file.seek(112)  # scl_slope and scl_inter
        file.write(np.array([2, 1], "<f4").tobytes())
    tracemalloc.start()
    pixels = frames.read_frame(path, 1999).pixels
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.all(pixels == 7)
    assert peak < 5 * path.stat().st_size


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_planes_are_rows_by_columns(tmp_path, name, kind):
    path = save(tmp_path / name.lower(), VOLUME, kind=kind).rename(tmp_path / name)
    assert frames.read_header(path) == Header(5, (40, 60), (0.2, 0.1))
    for place in range(5):
        frame = frames.read_frame(path, place)
        assert np.array_equal(frame.pixels, VOLUME[:, :, place].T)
        assert (frame.spacing_mm, frame.time_s) == ((0.2, 0.1), None)


@pytest.mark.parametrize("affine", [np.eye(4), np.diag([-1, -1, 1, 1]), np.diag([1.0, -3, 2, 1])[[1, 0, 2, 3]]])
def test_planes_are_those_of_simpleitk_whatever_the_orientation(tmp_path, affine):
    path = save(tmp_path / "a.nii.gz", VOLUME, affine=affine)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    found = np.stack([frames.read_frame(path, place).pixels for place in range(5)])
    assert np.array_equal(found, expected)


def test_what_simpleitk_writes_is_read(tmp_path):
    image = sitk.GetImageFromArray(VOLUME[:, :, 0])
    image.SetSpacing((0.08, 0.12))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    assert frames.read_header(tmp_path / "a.nii.gz") == Header(1, (60, 40), (0.12, 0.08))
    assert np.array_equal(frames.read_frame(tmp_path / "a.nii.gz").pixels, VOLUME[:, :, 0])


@pytest.mark.parametrize(
    ("zooms", "unit", "spacing"),
    [
        ((0.1, 0.2), "mm", (0.2, 0.1)),
        ((0.1, 0.2), "unknown", None),
        ((0.1, 0.2), "meter", None),
        ((1, 1), "mm", None),
        ((1, 0.5), "mm", (0.5, 1)),
        ((0, 0.5), "mm", None),
        ((500, 500), "mm", None),
    ],
)
def test_spacing_is_known_in_millimetres_alone(tmp_path, zooms, unit, spacing):
    path = save(tmp_path / "a.nii", VOLUME, zooms, unit)
    assert frames.read_header(path).spacing_mm == frames.read_frame(path, 0).spacing_mm == spacing


def test_time_is_the_fourth_axis_of_a_single_plane(tmp_path):
    path = save(tmp_path / "a.nii", VOLUME[:, :, None], (0.1, 0.2, 1, 40), time_unit="msec")
    assert frames.read_header(path).frames == 5
    assert frames.read_frame(path, 3).time_s == pytest.approx(0.12)
    assert np.array_equal(frames.read_frame(path, 3).pixels, VOLUME[:, :, 3].T)
    unknown = save(tmp_path / "b.nii", VOLUME[:, :, None], (0.1, 0.2, 1, 40))
    assert frames.read_frame(unknown, 3).time_s is None


def test_planes_of_four_axes_are_counted_along_the_third_first(tmp_path):
    voxels = RNG.integers(0, 256, (6, 4, 3, 2), np.uint8)
    path = save(tmp_path / "a.nii", voxels)
    assert frames.read_header(path).frames == 6
    assert np.array_equal(frames.read_frame(path, 4).pixels, voxels[:, :, 1, 1].T)


@pytest.mark.parametrize(("brightest", "white"), [(200, 255), (256, 4095), (4095, 4095), (4096, 65535)])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_the_range_is_that_of_the_file_and_one_for_all_its_frames(tmp_path, dtype, brightest, white):
    voxels = np.full((4, 4, 2), 20, dtype)
    voxels[0, 0, 1] = brightest
    path = save(tmp_path / "a.nii.gz", voxels)
    for place in (0, 1):
        assert frames.read_frame(path, place).pixels[3, 3] == round(20 * 255 / white)
    assert frames.read_frame(path, 1).pixels[0, 0] == round(brightest * 255 / white)


def test_slope_and_intercept_are_applied(tmp_path):
    image = nib.Nifti1Image(np.arange(12, dtype=np.int16).reshape(4, 3, 1), np.eye(4))
    image.header.set_slope_inter(2, 5)
    image.to_filename(tmp_path / "a.nii")
    expected = np.asarray(nib.load(tmp_path / "a.nii").dataobj)[..., 0].T
    assert np.array_equal(frames.read_frame(tmp_path / "a.nii").pixels, np.rint(expected))


def test_colours_become_luma(tmp_path):
    rgb = np.zeros((4, 3, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"], rgb["G"], rgb["B"] = 10, 100, 200
    path = save(tmp_path / "a.nii.gz", rgb)
    assert set(frames.read_frame(path, 1).pixels.ravel()) == {(2990 + 58700 + 22800 + 500) // 1000}
    with pytest.raises(InputError, match="in colour"):
        frames.read_labels(path, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_masks_are_label_values(tmp_path, dtype):
    labels = (VOLUME % 3).astype(dtype)
    path = save(tmp_path / "a.nii.gz", labels)
    assert np.array_equal(frames.read_labels(path, 2), labels[:, :, 2].T)
    assert frames.read_labels(path, 2).dtype == np.uint8
    with pytest.raises(InputError, match="a mask with values above 255"):
        frames.read_labels(save(tmp_path / "b.nii.gz", labels.astype(np.uint16) * 200), 2)


@given(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)), st.booleans(), st.sampled_from("<>"))
def test_any_shape_and_byte_order_comes_back(tmp_path_factory, shape, packed, order):
    voxels = RNG.integers(0, 4096, shape).astype(f"{order}u2")
    path = tmp_path_factory.mktemp("n") / ("a.nii.gz" if packed else "a.nii")
    header = nib.Nifti1Header(endianness=order)
    nib.save(nib.Nifti1Image(voxels, np.eye(4), header), path)
    top = nifti.white_of(int(voxels.max()))
    for place in range(shape[2]):
        expected = np.rint(voxels[:, :, place].T.astype(float) * (255 / top))
        assert np.array_equal(frames.read_frame(path, place).pixels, expected)


def test_the_same_picture_as_a_png_has_the_same_hash(tmp_path, volume):
    from sononerve.io.images import write_png

    write_png(tmp_path / "a.png", VOLUME[:, :, 3].T.copy())
    assert frames.frame_hash(volume, 3) == frames.frame_hash(tmp_path / "a.png")


def test_of_several_planes_it_must_be_said_which(volume):
    for place, fix in ((None, "holds 5 frames; say which"), (5, "no frame 5; it holds 5"), (-1, "no frame -1")):
        with pytest.raises(InputError, match=fix):
            frames.read_frame(volume, place)


# Bad files


def refused(path, read=frames.read_frame):
    with pytest.raises(InputError) as error:
        read(path) if read is frames.read_header else read(path, 0)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(path, at, value, dtype="<i2"):
    """The file with one field of its header changed."""
    packed = path.suffix == ".gz"
    content = bytearray((gzip.decompress if packed else bytes)(path.read_bytes()))
    field = np.array(value, dtype).tobytes()
    content[at : at + len(field)] = field
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.mark.parametrize(
    ("at", "value", "dtype", "fix"),
    [
        (42, [30000, 30000], "<i2", "30000 x 30000 pixels; expected at most 50000000"),
        (42, [6000, 6000, 30000], "<i2", "expected at most 500000000: split it"),
        (42, [-4, 4], "<i2", "has the shape"),
        (40, 9, "<i2", ""),
        (40, 1, "<i2", "expected at least two axes"),
        (70, 77, "<i2", "not a NIfTI file, or a damaged one"),
        (70, 32, "<i2", "complex64 values; expected whole numbers"),
        (108, 3e9, "<f4", "bytes from byte 3000000000 on"),
        (108, np.nan, "<f4", ""),
        (344, b"ni1\0", "S4", "not a NIfTI file; expected .nii or .nii.gz of one piece"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_that_cannot_be_is_refused_without_memory(tmp_path, name, at, value, dtype, fix):
    path = changed(save(tmp_path / name, VOLUME), at, value, dtype)
    tracemalloc.start()
    assert fix in refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def test_a_bomb_is_not_unpacked_beyond_what_the_header_says(tmp_path):
    small = save(tmp_path / "a.nii", VOLUME[:4, :4])
    with gzip.open(tmp_path / "b.nii.gz", "wb", compresslevel=1) as packer:
        packer.write(small.read_bytes())
        for _ in range(100):
            packer.write(bytes(1_000_000))
    tracemalloc.start()
    assert np.array_equal(frames.read_frame(tmp_path / "b.nii.gz", 0).pixels, VOLUME[:4, :4, 0].T)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_cut_off_is_refused(tmp_path, name):
    path = save(tmp_path / name, VOLUME)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in refused(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(bytes(600), id="zeros"),
        pytest.param(gzip.compress(bytes(600)), id="packed zeros"),
        pytest.param(b"\x1f\x8b" + bytes(99), id="no stream"),
    ],
)
def test_what_only_is_called_nifti_is_refused(tmp_path, name, content, caplog):
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, frames.read_header)
    refused(tmp_path / name)
    assert not caplog.records


@pytest.mark.parametrize("value", [-1, 0.5, 70000, np.nan, np.inf])
def test_values_that_are_no_gray_are_refused(tmp_path, value):
    voxels = VOLUME.astype(np.float32)
    voxels[3, 3, 3] = value
    assert "expected whole numbers from 0 to 65535" in refused(save(tmp_path / "a.nii", voxels))


def test_opening_unpacks_no_voxel(volume, monkeypatch):
    monkeypatch.setattr(nifti, "_load", lambda _: pytest.fail("unpacked"))
    assert frames.read_header(volume).frames == 5
