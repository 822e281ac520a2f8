"""The one door to frames on disk: pictures, videos, DICOM and NIfTI, told apart by name and, without one, by content.

A frame is a file and its place in it, counted from 0; the place None is the only frame of a file that holds one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame, Spacing
from . import images
from .header import Header

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi")
DICOM_SUFFIXES = (".dcm", ".dicom")
NIFTI_SUFFIXES = (".nii.gz", ".nii")
SUFFIXES = (*images.SUFFIXES, *VIDEO_SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES)
EXPECTED = "PNG, JPEG, TIFF, BMP, MP4, MOV, AVI, DICOM or NIfTI"
DICOM_MARK, DICOM_MARK_AT = b"DICM", 128


class Source(Protocol):
    """What the module of each kind of file offers; every one raises `InputError` for a file that is not good."""

    def read_header(self, path: Path) -> Header:
        """What is known before decoding."""

    def read_frame(self, path: Path, place: int | None = None) -> Frame:
        """One frame."""

    def read_stored(self, path: Path, place: int | None = None) -> NDArray[np.uint8]:
        """One frame as stored, gray ``(H, W)`` or RGB ``(H, W, 3)``: what the frame's gray is made of."""

    def read_labels(self, path: Path, place: int | None = None) -> NDArray[np.uint8]:
        """One frame as label values ``(H, W)``."""

    def frame_hash(self, path: Path, place: int | None = None) -> str:
        """By what a frame is known again."""


def suffix_of(path: Path) -> str:
    """The known ending of the file's name, in small letters; empty where it has none of them."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def stem_of(path: Path) -> str:
    """The file's name without its known ending: ``clip`` of ``clip.nii.gz``, ``1.2.840`` of a DICOM called so."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def is_source(path: Path) -> bool:
    """Whether it is a file of frames, by its ending or, without a known one, DICOM's mark; hidden files are not."""
    return path.is_file() and not path.name.startswith(".") and (suffix_of(path) != "" or _is_dicom(path))


def read_header(path: Path) -> Header:
    """Number of frames, size and spacing, nothing decoded; raise `InputError` for a file that is not good.

    The number is what the file says; `count_frames` knows it.
    """
    return _source(path).read_header(path)


def count_frames(path: Path) -> int:
    """How many frames the file holds; a video is decoded for it, for its header may lie."""
    if suffix_of(path) in VIDEO_SUFFIXES:
        from . import video

        return video.count_frames(path)
    return read_header(path).frames


def read_frame(path: Path | str, place: int | None = None, spacing_mm: Spacing | None = None) -> Frame:
    """Read one frame of a picture, video, DICOM or NIfTI file as 8-bit grayscale.

    ``place``: which frame, from 0; None is the only one. ``spacing_mm``: mm per pixel (row, column), believed before
    what the file says. Raises `InputError` for a file that cannot be read, and where it does not hold such a frame.

    >>> read_frame("clip.mp4", 17).time_s  # doctest: +SKIP
    0.85
    """
    path = Path(path)
    frame = _source(path).read_frame(path, _checked(path, place))
    return frame if spacing_mm is None else replace(frame, spacing_mm=spacing_mm)


def read_stored(path: Path, place: int | None = None) -> NDArray[np.uint8]:
    """Read one frame in 8 bit with its colours, where it has any: gray ``(H, W)`` or RGB ``(H, W, 3)``."""
    return _source(path).read_stored(path, _checked(path, place))


def read_labels(path: Path, place: int | None = None) -> NDArray[np.uint8]:
    """Read one frame as the label values ``(H, W)`` of a mask; raise `InputError` for what is no mask."""
    return _source(path).read_labels(path, _checked(path, place))


def frame_hash(path: Path, place: int | None = None) -> str:
    """By what a frame is known again: SHA-256 of its pixels, or of its bytes where decoders differ in the pixels."""
    return _source(path).frame_hash(path, _checked(path, place))


def _checked(path: Path, place: int | None) -> int | None:
    if place is not None and place < 0:
        raise InputError(f"{path}: no frame {place}; frames are counted from 0")
    return place


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(DICOM_MARK_AT + len(DICOM_MARK))[DICOM_MARK_AT:] == DICOM_MARK


def _source(path: Path) -> Source:
    """The module that reads this kind; imported only now, for DICOM and NIfTI take a while."""
    suffix = suffix_of(path)
    if suffix in VIDEO_SUFFIXES:
        from . import video

        return video
    if suffix in NIFTI_SUFFIXES:
        from . import nifti

        return nifti
    if suffix in DICOM_SUFFIXES or (not suffix and path.is_file() and _is_dicom(path)):
        from . import dicom

        return dicom
    return images
