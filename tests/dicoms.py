"""Ultrasound DICOM files in every compression, built here."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmread, uid
from pydicom.encaps import encapsulate

SECRET = "Doe^Jane"

_RAMP = np.add.outer(np.arange(0, 120, 3), np.arange(0, 120, 2)).astype(np.uint8)  # smooth, (40, 60)
GRAY = np.stack([_RAMP, _RAMP[::-1], _RAMP // 2])


def _jpeg(**how: object) -> Callable[[np.ndarray], bytes]:
    def encode(frame: np.ndarray) -> bytes:
        space = {} if frame.ndim == 2 else {"colorspace": "RGB", "outcolorspace": "RGB"}
        return imagecodecs.jpeg8_encode(frame, **space, **how)

    return encode


def _j2k(frame: np.ndarray, **how: object) -> bytes:
    return imagecodecs.jpeg2k_encode(frame, codecformat="j2k", mct=False, **how)


LOSSLESS: dict[uid.UID, Callable[[np.ndarray], bytes]] = {
    uid.JPEGLossless: _jpeg(lossless=True),
    uid.JPEGLosslessSV1: _jpeg(lossless=True),
    uid.JPEGLSLossless: imagecodecs.jpegls_encode,
    uid.JPEG2000Lossless: lambda frame: _j2k(frame, level=0, reversible=True),
    uid.HTJ2KLossless: imagecodecs.htj2k_encode,
}
LOSSY: dict[uid.UID, Callable[[np.ndarray], bytes]] = {
    uid.JPEGBaseline8Bit: _jpeg(level=95),
    uid.JPEGLSNearLossless: lambda frame: imagecodecs.jpegls_encode(frame, level=2),
    uid.JPEG2000: lambda frame: _j2k(frame, level=60),
}
COMPRESSED = (*LOSSLESS, *LOSSY, uid.RLELossless)
NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)


def ultrasound(
    frames: np.ndarray, syntax: uid.UID = uid.ExplicitVRLittleEndian, photometric: str | None = None, **elements: object
) -> Dataset:
    """A data set of frames ``(n, H, W)`` or ``(n, H, W, 3)``; ``elements`` are added last."""
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = uid.UltrasoundMultiFrameImageStorage
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = uid.generate_uid(entropy_srcs=["frame"])
    found.PatientName, found.PatientID, found.Modality = SECRET, SECRET, "US"
    if len(frames) > 1:
        found.NumberOfFrames = len(frames)
    found.Rows, found.Columns = frames.shape[1:3]
    found.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    found.PhotometricInterpretation = photometric or ("RGB" if frames.ndim == 4 else "MONOCHROME2")
    if frames.ndim == 4:
        found.PlanarConfiguration = 0
    depth = 8 * frames.dtype.itemsize
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = depth, depth, depth - 1, 0
    if syntax in NATIVE or syntax == uid.RLELossless:
        stored = frames.astype(">u2" if syntax == uid.ExplicitVRBigEndian and depth == 16 else frames.dtype)
        found.PixelData = stored.tobytes() + b"\0" * (frames.nbytes % 2)
    else:
        encode = (LOSSLESS | LOSSY)[syntax]
        found.PixelData = encapsulate([bytes(encode(frame)) for frame in frames])
    found["PixelData"].VR = "OW" if depth == 16 else "OB"
    if syntax == uid.RLELossless:
        found.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        found.compress(uid.RLELossless, generate_instance_uid=False)
    for name, value in elements.items():
        setattr(found, name, value)
    return found


def write(path: Path, found: Dataset) -> Path:
    """Write as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path, enforce_file_format=True)
    return path


def region(delta: float = 0.008, units: int = 3, form: int = 1, row_delta: float | None = None) -> Dataset:
    """An ultrasound region; ``delta`` in cm per pixel for ``units`` 3."""
    found = Dataset()
    found.RegionSpatialFormat, found.RegionDataType, found.RegionFlags = form, 1, 0
    found.PhysicalUnitsXDirection = found.PhysicalUnitsYDirection = units
    found.PhysicalDeltaX, found.PhysicalDeltaY = delta, delta if row_delta is None else row_delta
    return found


def deflate(path: Path, explicit: Path, body: bytes | None = None) -> Path:
    """The file ``explicit`` with its data set deflated, or ``body`` in its place."""
    content = explicit.read_bytes()
    start = 144 + int(dcmread(explicit).file_meta.FileMetaInformationGroupLength)
    meta = content[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = len(meta) - start
    at = meta.index(b"\x02\x00\x10\x00UI")
    meta = meta[: at + 6] + (22).to_bytes(2, "little") + meta[at + 8 :]
    length = int.from_bytes(meta[140:144], "little") + grown
    meta = meta[:140] + length.to_bytes(4, "little") + meta[144:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(meta + packer.compress(content[start:] if body is None else body) + packer.flush())
    return path
