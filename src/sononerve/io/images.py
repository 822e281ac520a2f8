"""Read frames and masks from PNG, JPEG, TIFF and BMP, with limits before decoding, and write PNG.

How a frame becomes grayscale, 8 bit:

- colour (RGB): luma after ITU-R BT.601, ``0.299 R + 0.587 G + 0.114 B``; equal channels stay as they are;
- transparency (RGBA, LA): composed on black; palette: looked up, then as colour;
- 16 bit: divided by the range the file uses, the smallest of 8, 12 and 16 bits that holds its brightest pixel;
- 1 bit: 0 and 255. EXIF orientation is ignored, for masks do not carry it.
"""

from __future__ import annotations

import hashlib
import io as streams
import warnings
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..errors import InputError
from ..frame import Frame, Spacing
from .atomic import write_bytes

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
MAX_PIXELS = 50_000_000  # 7,000 x 7,000: ten times any ultrasound frame; 40,000 x 40,000 would take 1.6 GB
MAX_BYTES = 500_000_000
LARGEST_LABEL = 254  # 255 is how many programs write "yes"

ByteArray = NDArray[np.uint8]
HALF_BIT = {"I;16", "I;16B", "I;16L", "I"}


class _UnidentifiedError(InputError):
    """Pillow does not know the format; tifffile may."""


def is_image(path: Path) -> bool:
    """Whether the file's name ends like an image's."""
    return path.suffix.lower() in SUFFIXES


def read_frame(path: Path, spacing_mm: Spacing | None = None) -> Frame:
    """Read one frame as grayscale by the rules of this module; raise `InputError` where it cannot be."""
    pixels = _to_gray(_decode(path), path)
    return Frame(pixels, spacing_mm, source=str(path))


def image_size(path: Path) -> tuple[int, int]:
    """Height and width from the file's header alone; raise `InputError` as `read_frame` does."""
    with _open(path) as image:
        return image.height, image.width


def read_labels(path: Path) -> ByteArray:
    """Read the values ``(H, W)`` of a mask as stored: gray values, or a palette's indices; never its colours.

    Raises `InputError` for colours that are not gray, for JPEG (it changes label values) and for values above 255.
    """
    with _open(path) as image:
        if image.format == "JPEG":
            raise InputError(f"{path}: a mask stored as JPEG has damaged label values; save the masks as PNG or TIFF")
        if image.mode in ("RGB", "RGBA", "LA"):
            _load(image, path)
            values = np.asarray(image)[..., : 3 if image.mode != "LA" else 1]
            if not (values == values[..., :1]).all():
                raise InputError(
                    f"{path}: a mask in colour; expected label values (gray or palette): 0 background, 1 nerve"
                )
            return np.ascontiguousarray(values[..., 0])
        _load(image, path)
        values = np.asarray(image)
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.max(initial=0) > 255 or values.min(initial=0) < 0:
        raise InputError(f"{path}: label values up to {values.max()}; expected 0 for background, then 1, 2, ... or 255")
    return values.astype(np.uint8)


def write_png(path: Path, pixels: ByteArray | NDArray[np.uint16]) -> None:
    """Write gray ``(H, W)`` of 8 or 16 bit, or RGB ``(H, W, 3)``, as PNG, whole or not at all."""
    buffer = streams.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes: by it a frame is known again under another name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; expected at most {MAX_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {error}; expected at most {MAX_PIXELS} pixels: crop or shrink it") from error
    except UnidentifiedImageError as error:
        raise _UnidentifiedError(f"{path}: not an image; expected PNG, JPEG, TIFF or BMP") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path}: cannot be read ({error}); export it again") from error
    if image.width * image.height > MAX_PIXELS:
        raise InputError(
            f"{path}: {image.width} x {image.height} pixels; expected at most {MAX_PIXELS}: crop or shrink it"
        )
    if getattr(image, "n_frames", 1) > 1:
        pages = getattr(image, "n_frames", 1)
        raise InputError(f"{path}: holds {pages} pages; expected one frame a file: export the pages one by one")
    return image


def _load(image: Image.Image, path: Path) -> None:
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be decoded, the file is damaged or cut off ({error}); export it again"
        ) from error


def _decode(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Pixels as gray ``(H, W)`` or colour ``(H, W, 3)``, uint8 or uint16."""
    try:
        image = _open(path)
    except _UnidentifiedError:
        if path.suffix.lower() in (".tif", ".tiff"):
            return _decode_tiff(path)
        raise
    with image:
        _load(image, path)
        if image.mode in HALF_BIT:
            return np.asarray(image).clip(0, 65535).astype(np.uint16)
        if image.mode in ("1", "L"):
            return np.asarray(image.convert("L"))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            colour = image.convert("RGBA")
            return np.asarray(Image.alpha_composite(Image.new("RGBA", colour.size, "black"), colour).convert("RGB"))
        if image.mode == "F":
            raise InputError(f"{path}: pixels are floating-point numbers; expected 8 or 16 bit: save it as such")
        return np.asarray(image.convert("RGB"))


def _decode_tiff(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """16-bit colour TIFF, which Pillow does not know."""
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            if len(tiff.pages) != 1 or page.imagewidth * page.imagelength > MAX_PIXELS:
                raise InputError(
                    f"{path}: {len(tiff.pages)} pages of {page.shape}; expected one of at most {MAX_PIXELS} pixels"
                )
            if page.dtype not in (np.uint8, np.uint16) or page.axes not in ("YX", "YXS"):
                raise InputError(
                    f"{path}: {page.dtype} pixels, axes {page.axes}; expected gray or colour of 8 or 16 bit"
                )
            pixels = page.asarray()
    except InputError:
        raise
    except Exception as error:  # tifffile raises whatever a damaged file makes it raise
        raise InputError(
            f"{path}: not an image, or a damaged one ({error}); expected PNG, JPEG, TIFF or BMP"
        ) from error
    return pixels if pixels.ndim == 2 else pixels[..., :3]


def _to_gray(pixels: NDArray[np.uint8] | NDArray[np.uint16], path: Path) -> ByteArray:
    if min(pixels.shape[:2]) < 1:
        raise InputError(f"{path}: the image has no pixels")
    if pixels.dtype == np.uint16:
        brightest = int(pixels.max())
        top = next(2**bits - 1 for bits in (8, 12, 16) if brightest < 2**bits)
        pixels = np.rint(pixels * (255.0 / top)).astype(np.uint8)
    if pixels.ndim == 3:
        same = (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
        luma = pixels[..., 0] if same else np.rint(pixels @ np.array([0.299, 0.587, 0.114]))
        pixels = luma.astype(np.uint8)
    return np.ascontiguousarray(pixels, dtype=np.uint8)
