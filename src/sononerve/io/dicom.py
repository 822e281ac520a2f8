"""Read frames of DICOM files, single and multi-frame, with limits before decoding.

How a frame becomes grayscale: colours (RGB, YBR, palette) become RGB and then luma as in `sononerve.io.images`;
MONOCHROME1 is inverted; more or fewer than 8 bits are divided by the range that BitsStored gives. Windows, rescaling,
lookup tables of presentation and overlays are left out: ultrasound is 8-bit as shown.

Spacing is known from exactly one region of 2D image in ``SequenceOfUltrasoundRegions`` whose units are cm, or, where
there are no regions at all, from PixelSpacing; several regions: none. 1 x 1 mm is what programs write that do not know,
and counts as unknown.

Elements are read by name, those of images alone: nothing that tells of a person is read, and no value of a file goes
into a message or a path.
"""

from __future__ import annotations

import io as streams
import itertools
import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmread, uid
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import BaseTag, Tag

from ..errors import InputError
from ..frame import Frame, Spacing
from . import dicom_codecs
from .header import Header, Stamp, stamp
from .images import eight_bit, pixel_hash, to_gray

MAX_BYTES = 2_000_000_000
MAX_INFLATED = 500_000_000  # of a deflated file, which is unpacked as a whole
META_AT = 144  # where the file's meta information goes on behind its length

GRAY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
DEFLATED = uid.DeflatedExplicitVRLittleEndian
TWO_DIMENSIONAL, CENTIMETRES = 1, 3  # RegionSpatialFormat, PhysicalUnitsXDirection

PALETTE_NAMES = ("Red", "Green", "Blue")
PALETTE_DESCRIPTORS = tuple(f"{name}PaletteColorLookupTableDescriptor" for name in PALETTE_NAMES)
PALETTE_TABLES = tuple(f"{name}PaletteColorLookupTableData" for name in PALETTE_NAMES)
PALETTE_SEGMENTS = tuple(f"Segmented{table}" for table in PALETTE_TABLES)
IMAGE_TAGS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("BitsAllocated", "BitsStored", "SequenceOfUltrasoundRegions", "PixelSpacing"),
    *("FrameTime", "FrameTimeVector", "CineRate"),
    *PALETTE_DESCRIPTORS,
    *PALETTE_TABLES,
    *PALETTE_SEGMENTS,
)

ByteArray = NDArray[np.uint8]

logging.getLogger("pydicom").addHandler(logging.NullHandler())  # what it says of a damaged file is said once, by us
dicom_codecs.register()


def read_header(path: Path) -> Header:
    """Number and size of the frames and their spacing; raise `InputError` for what is no DICOM image."""
    return _image(path).header


def read_frame(path: Path, place: int | None = None) -> Frame:
    """Decode frame ``place`` as grayscale by the rules of this module; raise `InputError` where it cannot be."""
    image = _image(path)
    place = image.header.place(path, place)
    source = f"{path}#{place}" if image.header.frames > 1 else str(path)
    return Frame(
        to_gray(_shown(path, image, place), path, image.white), image.header.spacing_mm, image.time_s(place), source
    )


def read_stored(path: Path, place: int | None = None) -> ByteArray:
    """The same with its colours, where it has any: gray ``(H, W)`` or RGB ``(H, W, 3)``."""
    image = _image(path)
    return eight_bit(_shown(path, image, image.header.place(path, place)), path, image.white)


def _shown(path: Path, image: _Image, place: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The samples as they are meant to be seen: black is 0, and a palette is looked up."""
    samples = _samples(path, image, place)
    if image.palette is not None:
        with _reading(path):
            samples = apply_color_lut(samples, image.palette)
    if image.photometric == "MONOCHROME1":
        samples = image.white - samples.clip(0, image.white)
    return samples


def read_labels(path: Path, place: int | None = None) -> ByteArray:
    """The stored values ``(H, W)`` of a gray frame, or a palette's indices; raise `InputError` for what is no mask."""
    image = _image(path)
    if image.photometric not in ("MONOCHROME2", PALETTE) or image.syntax in dicom_codecs.LOSSY:
        raise InputError(f"{path}: a mask in colour, inverted or compressed with loss; expected label values as stored")
    samples = _samples(path, image, image.header.place(path, place))
    if samples.max(initial=0) > 255:
        raise InputError(f"{path}: label value {samples.max()}; expected 0 for background, then 1, 2, ... or 255")
    return samples.astype(np.uint8)


def frame_hash(path: Path, place: int | None = None) -> str:
    """The `pixel_hash` of the frame: so a copy without the patient's name is known again."""
    return pixel_hash(read_frame(path, place).pixels)


@dataclass(frozen=True)
class _Image:
    """What the header says. ``white``: the largest value of a sample, or of a colour of the palette.

    ``times``: seconds of each frame, where they differ in length; else ``step_s`` from one to the next.
    """

    header: Header
    syntax: str
    photometric: str
    white: int
    palette: Dataset | None
    times: tuple[float, ...]
    step_s: float | None

    def time_s(self, place: int) -> float | None:
        """Seconds since the first frame; None where unknown, and for a still."""
        if self.times:
            return self.times[place]
        return None if self.step_s is None else place * self.step_s


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of whatever pydicom raises that the file is not good; not what it says, for that may hold values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{path}: cannot be read, the DICOM file is damaged, cut off or not an image ({type(error).__name__}); "
                "export it again"
            ) from error


def _image(path: Path) -> _Image:
    file = stamp(path)
    if file.size > MAX_BYTES:
        raise InputError(f"{path}: {file.size} bytes; expected at most {MAX_BYTES}")
    return _parsed(file)


@lru_cache(maxsize=1024)
def _parsed(file: Stamp) -> _Image:
    path = file.path
    with _reading(path):
        meta = read_file_meta_info(path)
        syntax = str(meta.get("TransferSyntaxUID", ""))
        if syntax not in (*NATIVE, DEFLATED, *dicom_codecs.COMPRESSED):
            raise InputError(f"{path}: its transfer syntax is not known; expected JPEG, JPEG-LS, JPEG 2000 or RLE")
        found = (
            _inflated(file)
            if syntax == DEFLATED
            else dcmread(path, stop_before_pixels=True, specific_tags=[*IMAGE_TAGS])
        )
        header = Header(
            int(found.get("NumberOfFrames") or 1), (int(found.Rows), int(found.Columns)), _spacing(found)
        ).checked(path)
        photometric, samples = str(found.PhotometricInterpretation), int(found.SamplesPerPixel)
        depth, stored = int(found.BitsAllocated), int(found.BitsStored)
        known = (photometric in (*GRAY, PALETTE) and samples == 1) or (photometric in COLOUR and samples == 3)
        unfit = (
            (not known, f"{photometric or 'nameless'} colours in {samples} sample(s) a pixel"),
            (depth not in (8, 16) or not 1 < stored <= depth, f"{stored} bits in {depth}"),
            (bool(found.get("PixelRepresentation")), "values with a sign, as CT has"),
        )
        for wrong, what in unfit:
            if wrong:
                raise InputError(
                    f"{path}: {what}; expected gray, RGB, YBR or palette of 8 or 16 bits without sign, as in ultrasound"
                )
        palette = None
        if photometric == PALETTE:
            palette = _palette(found, ">" if syntax == uid.ExplicitVRBigEndian else "<")
            stored = int(palette.RedPaletteColorLookupTableDescriptor[2])
        times, step = _times(found, header.frames)
    return _Image(header, syntax, photometric, 2**stored - 1, palette, times, step)


def _palette(found: Dataset, order: str) -> Dataset:
    """The tables of colours alone, little-endian, for which pydicom takes them; segments that would swell are refused.

    Those in segments pydicom reads in the order of the file.
    """
    if found.RedPaletteColorLookupTableDescriptor[2] not in (8, 16):
        raise ValueError("colours of a palette that are neither of 8 nor of 16 bits")
    tables = Dataset()
    tables.set_original_encoding(*found.original_encoding)
    for name in (*PALETTE_DESCRIPTORS, *PALETTE_TABLES, *PALETTE_SEGMENTS):
        if name in found:
            tables.add(found[name])
    for name in PALETTE_TABLES:
        if tables.get(name) and tables[name].VR == "OW":
            setattr(tables, name, np.frombuffer(tables[name].value, f"{order}u2").astype("<u2").tobytes())
    for name in PALETTE_SEGMENTS:
        words = np.frombuffer(found.get(name) or b"", f"{order}u2")
        at = entries = 0
        while at + 1 < len(words):
            kind, length = int(words[at]), int(words[at + 1])
            entries += length
            at += 2 + (length if kind == 0 else 1)
            if kind > 1 or entries > 2**16:
                raise ValueError("segments of a palette that are not known, or more than 65536 colours")
    return tables


def _spacing(found: Dataset) -> Spacing | None:
    regions = found.get("SequenceOfUltrasoundRegions")
    if regions:
        region = regions[0]
        units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
        if len(regions) > 1 or region.get("RegionSpatialFormat") != TWO_DIMENSIONAL or units != (CENTIMETRES,) * 2:
            return None
        row, column = (10 * abs(float(region.get(name) or 0)) for name in ("PhysicalDeltaY", "PhysicalDeltaX"))
    elif found.get("PixelSpacing"):
        row, column = (float(v) for v in found.PixelSpacing)
    else:
        return None
    return (row, column) if 0 < row < 100 and 0 < column < 100 and (row, column) != (1, 1) else None


def _times(found: Dataset, frames: int) -> tuple[tuple[float, ...], float | None]:
    """Seconds of each frame since the first, by FrameTimeVector, or the step of FrameTime or CineRate."""
    steps = found.get("FrameTimeVector")
    if frames == 1:
        return (), None
    if steps is not None and not isinstance(steps, (str, float, int)) and len(steps) == frames:
        return tuple(itertools.accumulate(float(step) / 1000 for step in steps)), None
    milliseconds, rate = float(found.get("FrameTime") or 0), float(found.get("CineRate") or 0)
    return (), milliseconds / 1000 if milliseconds > 0 else 1 / rate if rate > 0 else None


def _samples(path: Path, image: _Image, place: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Stored samples ``(H, W)``, or RGB ``(H, W, 3)``."""
    with _reading(path):
        if image.syntax == DEFLATED:
            samples = pixel_array(_inflated(stamp(path)), index=place)
        else:
            plugin = dicom_codecs.PLUGIN if image.syntax in dicom_codecs.COMPRESSED else ""
            samples = pixel_array(path, index=place, decoding_plugin=plugin)
    if samples.shape[:2] != image.header.size or samples.dtype.kind != "u" or samples.dtype.itemsize > 2:
        raise InputError(f"{path}: frame {place} is {samples.dtype} {samples.shape}, not what the header says")
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


@lru_cache(maxsize=1)
def _inflated(file: Stamp) -> Dataset:
    """A deflated file as a whole, unpacked within a limit."""
    path = file.path
    meta = read_file_meta_info(path)
    start = META_AT + int(meta.FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(path.read_bytes()[start:], MAX_INFLATED)
    if inflater.unconsumed_tail:
        raise InputError(f"{path}: unpacks to more than {MAX_INFLATED} bytes; export it without deflation")
    tags: list[BaseTag | int] = [Tag(name) for name in (*IMAGE_TAGS, "PlanarConfiguration", "HighBit", "PixelData")]
    found = read_dataset(streams.BytesIO(content), is_implicit_VR=False, is_little_endian=True, specific_tags=tags)
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    return found
