"""Decode compressed DICOM frames with imagecodecs: JPEG, JPEG-LS, JPEG 2000 (also high-throughput) and RLE.

pydicom finds the frame's bytes and turns its colours to RGB; this is the plugin that it calls in between. What a
compressed frame says of its own size is held against the header before anything is unpacked.
"""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.pixels.common import PhotometricInterpretation
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

PLUGIN = "sononerve"
JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
COMPRESSED = (*JPEG, *JPEG_LS, *JPEG_2000, uid.RLELossless)
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000, uid.HTJ2K)
DECODER_DEPENDENCIES = dict.fromkeys(COMPRESSED, ("numpy", "imagecodecs"))
"""What pydicom reads of a plugin."""

START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # markers of JPEG and JPEG-LS
J2K_START = b"\xff\x4f\xff\x51"  # JPEG 2000's codestream begins so, and its size follows
END, PADDING = b"\xff\xd9", 64  # of a JPEG; some pad with more than the one byte that they may
ADOBE = b"\xff\xee\x00\x0eAdobe"  # the last of its 12 bytes says whether colours were turned to YCbCr


def register() -> None:
    """Make the plugin known to pydicom; once is enough."""
    for syntax in COMPRESSED:
        decoder = get_decoder(syntax)
        if PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))


def is_available(syntax: str) -> bool:
    """What pydicom asks of a plugin."""
    return syntax in COMPRESSED


def decode_frame(coded: bytes, runner: DecodeRunner) -> bytes:
    """The samples of one frame, as stored, little-endian; raise `ValueError` where they are not what the header says.

    The colours are left for pydicom to turn, which is told here what they are.
    """
    shape = (runner.rows, runner.columns, runner.samples_per_pixel)
    if runner.transfer_syntax == uid.RLELossless:
        runner.set_option("planar_configuration", 1)
        return _rle(coded, shape, runner.bits_allocated // 8)
    samples = _j2k(coded, shape) if runner.transfer_syntax in JPEG_2000 else _jpeg(coded, runner, shape)
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * samples.dtype.itemsize)
    return samples.tobytes()


def _jpeg(coded: bytes, runner: DecodeRunner, shape: tuple[int, int, int]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """JPEG and JPEG-LS: with an array to write to, imagecodecs compares sizes before it unpacks."""
    if END not in coded[-PADDING:]:
        raise ValueError("cut off")  # libjpeg would fill the rest with gray, and CharLS take seconds to see it
    out = np.empty(shape[:2] if shape[2] == 1 else shape, np.uint8 if _precision(coded) <= 8 else np.uint16)
    if runner.transfer_syntax in JPEG_LS:
        imagecodecs.jpegls_decode(coded, out=out)
    else:
        space = _colours(coded, runner)
        imagecodecs.jpeg8_decode(coded, colorspace=space, outcolorspace=space, out=out)
    return out


def _rle(coded: bytes, shape: tuple[int, int, int], depth: int) -> bytes:
    size = shape[0] * shape[1] * shape[2] * depth
    samples = bytes(imagecodecs.dicomrle_decode(coded, f"<u{depth}", out=size))
    if len(samples) != size:
        raise ValueError(f"{len(samples)} bytes in a frame of {shape}")
    return samples


def _j2k(coded: bytes, shape: tuple[int, int, int]) -> NDArray[np.generic]:
    """imagecodecs unpacks before it compares sizes, so it is done here; in a JP2, for every size that may count."""
    at = coded.find(J2K_START)
    inside = at > 0
    while at >= 0:
        right, lower, left, upper = struct.unpack(">4I", coded[at + 8 : at + 24])
        if (lower - upper, right - left) != shape[:2]:
            raise ValueError(f"{lower - upper} x {right - left} in a frame of {shape}")
        at = coded.find(J2K_START, at + 1) if inside else -1
    samples = np.asarray(imagecodecs.jpeg2k_decode(coded, numthreads=1))
    if samples.shape != (shape[:2] if shape[2] == 1 else shape):
        raise ValueError(f"{samples.shape} in a frame of {shape}")
    return samples


def _precision(coded: bytes) -> int:
    """Bits per sample, by the header of a JPEG or JPEG-LS."""
    at = 2
    while at + 10 <= len(coded) and coded[at] == 0xFF:
        marker = coded[at + 1]
        if marker in START_OF_FRAME:
            return coded[at + 4]
        at += 1 if marker == 0xFF else 2 + int.from_bytes(coded[at + 2 : at + 4], "big")
    raise ValueError("no start of a frame")


def _colours(coded: bytes, runner: DecodeRunner) -> str:
    """What a JPEG's samples are; a mark of Adobe in it is believed before the header, as decoders do."""
    if runner.samples_per_pixel == 1:
        return "GRAYSCALE"
    at = coded.find(ADOBE, 0, 4096)
    if at >= 0 and coded[at + 15] in (0, 1):
        told = PhotometricInterpretation.YBR_FULL if coded[at + 15] else PhotometricInterpretation.RGB
        runner.set_option("photometric_interpretation", told)
    return "RGB" if runner.photometric_interpretation == PhotometricInterpretation.RGB else "YCBCR"
