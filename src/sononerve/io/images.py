"""Read frames and masks from PNG, JPEG, TIFF and BMP, with limits before decoding, and write PNG and TIFF.

A TIFF may hold several pages: each is a frame, counted from 0.

How a frame becomes grayscale, 8 bit:

- colour (RGB): luma after ITU-R BT.601, ``0.299 R + 0.587 G + 0.114 B`` in whole numbers, rounded half up; equal
  channels stay as they are;
- transparency (RGBA, LA): composed on black; palette: looked up, then as colour;
- 16 bit, gray or colour: divided by the range the frame uses, the smallest of 8, 12 and 16 bits that holds its
  brightest pixel;
- 1 bit: 0 and 255. EXIF orientation is ignored, for masks do not carry it.
"""

from __future__ import annotations

import hashlib
import io as streams
import logging
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from ..errors import InputError
from ..frame import Frame
from .atomic import write_bytes
from .header import MAX_PIXELS, Header, stamp

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
MAX_BYTES = 500_000_000

ByteArray = NDArray[np.uint8]
WordArray = NDArray[np.uint16]
GRAY = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
WIDE = ("I", "I;16", "I;16B", "I;16L")
TIFF_COLOURS = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
BITS_PER_SAMPLE = 258  # the tag of TIFF
PNG_DEPTH_AT = 24  # the byte of PNG's header

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it says of a damaged file is said once, by us


class _UnidentifiedError(InputError):
    """Pillow does not know the format; tifffile may."""


def is_image(path: Path) -> bool:
    """Whether the file's name ends like an image's."""
    return path.suffix.lower() in SUFFIXES


def read_header(path: Path) -> Header:
    """Number of pages and size of the first; raise `InputError` as `read_frame` does. Spacing is never known."""
    with _open(path) as image:
        return Header(getattr(image, "n_frames", 1), (image.height, image.width))


def read_frame(path: Path, place: int | None = None) -> Frame:
    """Read one frame as grayscale by the rules of this module; raise `InputError` where it cannot be.

    ``place``: the page of a TIFF, from 0; None is the only one.
    """
    return Frame(to_gray(_decode(path, place), path), source=str(path))


def read_stored(path: Path, place: int | None = None) -> ByteArray:
    """Read one frame as it is stored, gray ``(H, W)`` or RGB ``(H, W, 3)``, by the rules of `read_frame`."""
    return np.ascontiguousarray(eight_bit(_decode(path, place), path))


def read_labels(path: Path, place: int | None = None) -> ByteArray:
    """Read the values ``(H, W)`` of a mask as stored: gray values, or a palette's indices; never its colours.

    Gray stored as RGB is taken where the channels are equal; what is fully transparent is 0. Raises `InputError` for
    colours that are not gray, for JPEG (it changes label values), floating-point numbers and values above 255.
    """
    with _open_page(path, place) as image:
        if image.format == "JPEG":
            raise InputError(f"{path}: a mask stored as JPEG has damaged label values; save the masks as PNG or TIFF")
        if image.mode == "F":
            raise InputError(f"{path}: a mask of floating-point numbers; save the label values as 8 bit")
        _load(image, path)
        values = np.asarray(image) if image.mode in GRAY else _gray_of_colour(image, path)
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.max(initial=0) > 255 or values.min(initial=0) < 0:
        outside = values.max() if values.max() > 255 else values.min()
        raise InputError(f"{path}: label value {outside}; expected 0 for background, then 1, 2, ... or 255")
    return values.astype(np.uint8)


def _gray_of_colour(image: Image.Image, path: Path) -> ByteArray | WordArray:
    """Label values of a mask stored as colour with equal channels, with or without transparency."""
    values = _decode_deep(image, path) if _is_deep(image, path) else np.asarray(image)
    alpha = values[..., -1] if image.mode in ("RGBA", "LA") else np.array(1)
    colour = values[..., : values.shape[-1] - alpha.ndim // 2]
    if image.mode not in ("RGB", "RGBA", "LA") or not (colour == colour[..., :1]).all():
        raise InputError(f"{path}: a mask in colour; expected label values (gray or palette): 0 background, 1 nerve")
    return np.where(alpha == 0, 0, colour[..., 0]).astype(values.dtype)


def write_png(path: Path, pixels: ByteArray | NDArray[np.uint16], quickly: bool = False) -> None:
    """Write gray ``(H, W)`` of 8 or 16 bit, or RGB ``(H, W, 3)``, as PNG, whole or not at all.

    ``quickly``: in less than half of the time, and half as large again.
    """
    if quickly:
        import cv2  # what reads a picture does without

        _, content = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
        write_bytes(path, content.tobytes())
        return
    buffer = streams.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)  # speckle hardly shrinks, and 6 takes longer
    write_bytes(path, buffer.getvalue())


def write_tiff(path: Path, pixels: ByteArray) -> None:
    """Write gray ``(H, W)`` of 8 bit as TIFF, packed without loss, whole or not at all."""
    buffer = streams.BytesIO()
    Image.fromarray(pixels).save(buffer, format="TIFF", compression="tiff_lzw")
    write_bytes(path, buffer.getvalue())


def frame_hash(path: Path, place: int | None = None) -> str:
    """The `pixel_hash` of the frame; a JPEG's is that of its bytes, for decoders differ in its pixels."""
    with _open(path) as image:
        jpeg = image.format == "JPEG"
    if jpeg:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return pixel_hash(read_frame(path, place).pixels)


def pixel_hash(pixels: ByteArray) -> str:
    """SHA-256 of size and pixels: by it a frame is known again under another name or in another format."""
    return hashlib.sha256(f"{pixels.shape[0]} {pixels.shape[1]} ".encode() + pixels.tobytes()).hexdigest()


def _open(path: Path) -> Image.Image:
    size = stamp(path).size
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size} bytes; expected at most {MAX_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow thinks of it is said below, in one sentence
            image = Image.open(path, formats=FORMATS)
            pages = getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: too many pixels; expected at most {MAX_PIXELS}: crop or shrink it") from error
    except UnidentifiedImageError as error:
        raise _UnidentifiedError(f"{path}: not an image; expected PNG, JPEG, TIFF or BMP") from error
    except Exception as error:  # Pillow raises whatever a damaged file makes it raise
        raise InputError(f"{path}: cannot be read ({_line(error)}); export it again") from error
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"{path}: {image.width} x {image.height} pixels; expected at most {MAX_PIXELS}: crop or shrink it"
        )
    if pages > 1 and image.format != "TIFF":
        raise InputError(f"{path}: an animation of {pages} pictures; expected one frame: export them one by one")
    return image


def _open_page(path: Path, place: int | None) -> Image.Image:
    """The image at that page, which is of the size of the first."""
    image = _open(path)
    size = image.size
    place = Header(getattr(image, "n_frames", 1), (image.height, image.width)).place(path, place)
    if place == 0:
        return image
    try:
        image.seek(place)
    except Exception as error:
        raise InputError(f"{path}: page {place} cannot be read ({_line(error)}); export it again") from error
    if image.size != size:
        raise InputError(f"{path}: page {place} is {image.size}, the first {size}; expected pages of one size")
    return image


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _load(image: Image.Image, path: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
    except Exception as error:  # Pillow raises whatever a damaged file makes it raise
        raise InputError(
            f"{path}: cannot be decoded, the file is damaged or cut off ({_line(error)}); export it again"
        ) from error


def _decode(path: Path, place: int | None) -> ByteArray | WordArray:
    """Pixels as gray ``(H, W)`` or colour ``(H, W, 3)``, uint8 or uint16."""
    try:
        image = _open_page(path, place)
    except _UnidentifiedError:
        if path.suffix.lower() in (".tif", ".tiff"):
            return _opaque(_decode_tiff(path))
        raise
    with image:
        _load(image, path)
        if image.mode in WIDE:
            return _words(np.asarray(image), path)
        if image.mode in ("1", "L"):
            return np.asarray(image.convert("L"))
        if image.mode == "F":
            raise InputError(f"{path}: pixels are floating-point numbers; expected 8 or 16 bit: save it as such")
        if _is_deep(image, path):
            return _opaque(_decode_deep(image, path))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            colour = image.convert("RGBA")
            return np.asarray(Image.alpha_composite(Image.new("RGBA", colour.size, "black"), colour).convert("RGB"))
        return np.asarray(image.convert("RGB"))


def _words(pixels: NDArray[np.generic], path: Path) -> WordArray:
    if pixels.min(initial=0) < 0 or pixels.max(initial=0) > 65535:
        raise InputError(
            f"{path}: pixels from {pixels.min()} to {pixels.max()}; expected 8 or 16 bit without sign: save it as such"
        )
    return pixels.astype(np.uint16)


def _is_deep(image: Image.Image, path: Path) -> bool:
    """Whether it is colour of 16 bit, of which Pillow keeps the upper 8 alone."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return bool(max(image.tag_v2.get(BITS_PER_SAMPLE, (8,))) == 16)
    if image.format == "PNG" and image.mode != "P":
        with path.open("rb") as file:
            return file.read(PNG_DEPTH_AT + 1)[PNG_DEPTH_AT] == 16
    return False


def _decode_deep(image: Image.Image, path: Path) -> ByteArray | WordArray:
    """Samples ``(H, W, channels)`` of an image that `_is_deep`."""
    if image.format == "TIFF":
        return _decode_tiff(path)
    try:
        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    except Exception as error:  # and so does libpng
        raise InputError(
            f"{path}: cannot be decoded, the file is damaged or cut off ({_line(error)}); export it again"
        ) from error


def _decode_tiff(path: Path) -> ByteArray | WordArray:
    """Samples ``(H, W)`` or ``(H, W, channels)`` of a TIFF that Pillow does not know, or halves."""
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if len(tiff.pages) != 1 or page.imagewidth * page.imagelength > MAX_PIXELS:
                raise InputError(
                    f"{path}: {len(tiff.pages)} pages of {page.shape}; expected one of at most {MAX_PIXELS} pixels"
                )
            known = page.photometric in TIFF_COLOURS and page.axes in ("YX", "YXS", "SYX")
            if page.dtype not in (np.uint8, np.uint16) or not known:
                raise InputError(
                    f"{path}: {page.dtype} pixels, {page.photometric!s}, axes {page.axes}; expected gray or RGB of "
                    "8 or 16 bit: save it as such"
                )
            pixels = page.asarray()
            if pixels.ndim != len(page.axes):
                raise InputError(f"{path}: the file is damaged or cut off; export it again")
            return np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels
    except InputError:
        raise
    except Exception as error:  # tifffile raises whatever a damaged file makes it raise
        raise InputError(
            f"{path}: not an image, or a damaged one ({_line(error)}); expected PNG, JPEG, TIFF or BMP"
        ) from error


def _opaque(pixels: ByteArray | WordArray) -> ByteArray | WordArray:
    """Compose ``(H, W, channels)`` on black where the last of 2 or 4 channels is opacity; gray becomes ``(H, W)``."""
    if pixels.ndim == 2:
        return pixels
    channels = pixels.shape[-1]
    colour = pixels[..., :3] if channels > 2 else pixels[..., 0]
    if channels not in (2, 4):
        return colour
    opacity = pixels[..., -1] / np.iinfo(pixels.dtype).max
    black = np.rint(colour * (opacity if channels == 2 else opacity[..., None]))
    return black.astype(np.uint8) if pixels.dtype == np.uint8 else black.astype(np.uint16)


def eight_bit(pixels: ByteArray | WordArray, path: Path, top: int | None = None) -> ByteArray:
    """The same pixels in 8 bit; ``top``: the value that is white."""
    if min(pixels.shape[:2]) < 1:
        raise InputError(f"{path}: the image has no pixels")
    if top is None:
        top = 255 if pixels.dtype == np.uint8 else white_of(int(pixels.max()))
    if pixels.dtype == np.uint8 and top == 255:
        return pixels.astype(np.uint8, copy=False)
    return np.asarray(np.rint(pixels.clip(0, top) * (255.0 / top)), np.uint8)


def to_gray(pixels: ByteArray | WordArray, path: Path, top: int | None = None) -> ByteArray:
    """Gray ``(H, W)`` of gray or RGB ``(H, W, 3)`` by the rules of this module; ``top``: the value that is white."""
    shown = eight_bit(pixels, path, top)
    if shown.ndim == 3:
        same = (shown[..., 0] == shown[..., 1]).all() and (shown[..., 0] == shown[..., 2]).all()
        shown = shown[..., 0] if same else _luma(shown)
    return np.ascontiguousarray(shown)


def _luma(pixels: ByteArray) -> ByteArray:
    luma = np.full(pixels.shape[:2], 500, np.uint32)
    for channel, weight in enumerate((299, 587, 114)):
        luma += np.multiply(pixels[..., channel], weight, dtype=np.uint32)
    return (luma // 1000).astype(np.uint8)


def white_of(brightest: int) -> int:
    """The largest value of the range that deep frames use: the smallest of 8, 12 and 16 bits that holds it."""
    return next(2**bits - 1 for bits in (8, 12, 16) if brightest < 2**bits)
