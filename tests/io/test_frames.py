"""The door to files of frames: what is let in, by name or by mark, and what is the same for every kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from clips import numbered, write_clip
from dicoms import ultrasound, write
from PIL import Image

import sononerve
from sononerve.errors import InputError
from sononerve.io import frames

PIXELS = numbered(300)  # black and white enough for any codec


def png(path):
    Image.fromarray(PIXELS).save(path)


def tif(path):
    Image.fromarray(PIXELS).save(path, save_all=True, append_images=[Image.fromarray(PIXELS)])


def avi(path):
    write_clip(path, [PIXELS, PIXELS], "FFV1")


def dicom(path):
    write(path, ultrasound(np.stack([PIXELS, PIXELS])))


def nifti(path):
    nib.save(nib.Nifti1Image(np.stack([PIXELS.T, PIXELS.T], -1), np.eye(4)), path)


EVERY = {"a.png": png, "a.tif": tif, "a.avi": avi, "a.dcm": dicom, "1.2.840.10008": dicom, "a.nii": nifti}
EVERY |= {"b.nii.gz": nifti, "A.DCM": dicom, "A.AVI": avi}
every_kind = pytest.mark.parametrize("name", EVERY)


@every_kind
def test_one_picture_is_one_frame_in_every_kind_of_file(tmp_path, name):
    path = tmp_path / name
    EVERY[name](path)
    assert frames.is_source(path)
    many = frames.count_frames(path)
    assert many == frames.read_header(path).frames == (1 if name == "a.png" else 2)
    place = None if many == 1 else 1
    frame = frames.read_frame(path, place)
    assert np.array_equal(frame.pixels, PIXELS)
    assert frame.spacing_mm is None
    assert frame.source.startswith(str(path))
    assert frames.read_header(path).size == PIXELS.shape
    assert np.array_equal(sononerve.read_frame(str(path), place, (0.1, 0.2)).pixels, PIXELS)
    assert sononerve.read_frame(str(path), place, (0.1, 0.2)).spacing_mm == (0.1, 0.2)


@every_kind
@pytest.mark.parametrize("read", [frames.read_frame, frames.read_labels, frames.frame_hash])
def test_a_place_below_0_is_refused_by_every_kind(tmp_path, name, read):
    EVERY[name](tmp_path / name)
    with pytest.raises(InputError, match="no frame -1"):
        read(tmp_path / name, -1)


@every_kind
def test_a_file_that_is_not_there_is_named_by_every_kind(tmp_path, name):
    for read in (frames.read_header, frames.count_frames, frames.read_frame, frames.read_labels, frames.frame_hash):
        with pytest.raises(InputError, match=f"{name}: no such file"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.png", "a"), ("a.b.nii.gz", "a.b"), ("A.NII.GZ", "A"), ("1.2.3", "1.2.3"), ("a.mp4.avi", "a.mp4"), ("x", "x")],
)
def test_a_stem_is_the_name_without_its_known_ending(name, stem):
    assert frames.stem_of(Path("/some/folder") / name) == stem


def test_other_files_hidden_ones_and_folders_are_no_sources(tmp_path):
    for name in ("notes.txt", ".a.png", "a.gz", "b"):
        (tmp_path / name).write_bytes(b"nothing")
    (tmp_path / "folder.mp4").mkdir()
    assert not any(frames.is_source(path) for path in tmp_path.iterdir())


def test_the_door_opens_without_what_reads_dicom_nifti_and_video():
    code = "import sys, sononerve.io.frames; print({'pydicom', 'nibabel', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
