"""Read frames and masks from NIfTI (``.nii``, ``.nii.gz``), with limits before anything is unpacked.

A frame is a plane of the first two axes: its columns run along the first, its rows along the second, as ITK shows it
and as nnU-Net writes it. Nothing is flipped or turned by the orientation in the header, neither frame nor mask, so the
two stay on each other. Planes are counted along the third axis first, then the fourth and so on. Spacing is known where
the header's unit is millimetres; 1 x 1 mm is what programs write that do not know, and counts as unknown.

Values are whole numbers. Those above 255 are divided by the range of the file: the smallest of 8, 12 and 16 bits that
holds its brightest value, one range for all its frames.
"""

from __future__ import annotations

import gzip
import io as streams
import os
import threading
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame, Spacing
from .header import Header, Stamp, stamp
from .images import eight_bit, pixel_hash, to_gray, white_of

MAX_VOXEL_BYTES = 500_000_000
MAX_OFFSET = 16_000_000  # of the first voxel: room for what programs note in a header
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
WHOLE_NUMBERS = "biuf"  # kinds of NumPy: bool, signed, unsigned, and floats that hold whole numbers

ByteArray = NDArray[np.uint8]
Voxels = NDArray[np.uint8] | NDArray[np.uint16]
_loading = threading.Lock()


def _start_anew_after_fork() -> None:
    """Another thread of the parent may hold the lock, and would never give it back here."""
    global _loading  # noqa: PLW0603
    _loading = threading.Lock()


os.register_at_fork(after_in_child=_start_anew_after_fork)


def read_header(path: Path) -> Header:
    """Number and size of the planes and their spacing; raise `InputError` for what is no NIfTI file."""
    return _layout(stamp(path)).header


def read_frame(path: Path, place: int | None = None) -> Frame:
    """Plane ``place`` as grayscale by the rules of this module; raise `InputError` where it cannot be."""
    layout, voxels, top = _volume(path)
    place = layout.header.place(path, place)
    pixels = voxels[:, :, place].swapaxes(0, 1)
    seconds = None if layout.step_s is None else place * layout.step_s
    return Frame(to_gray(pixels, path, top), layout.header.spacing_mm, seconds, f"{path}#{place}")


def read_stored(path: Path, place: int | None = None) -> ByteArray:
    """The same with its colours, where it has any: gray ``(H, W)`` or RGB ``(H, W, 3)``."""
    layout, voxels, top = _volume(path)
    return np.ascontiguousarray(eight_bit(voxels[:, :, layout.header.place(path, place)].swapaxes(0, 1), path, top))


def read_labels(path: Path, place: int | None = None) -> ByteArray:
    """The label values of a plane ``(H, W)``; raise `InputError` for colours and values above 255."""
    layout, voxels, top = _volume(path)
    if top > 255 or voxels.ndim > 3:
        raise InputError(f"{path}: a mask with values above 255, or in colour; expected 0 for background, then 1, 2")
    return np.ascontiguousarray(voxels[:, :, layout.header.place(path, place)].T).astype(np.uint8)


def frame_hash(path: Path, place: int | None = None) -> str:
    """The `pixel_hash` of the frame."""
    return pixel_hash(read_frame(path, place).pixels)


@dataclass(frozen=True)
class _Layout:
    """Where and how the voxels are stored."""

    header: Header
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    offset: int
    slope: float
    inter: float
    step_s: float | None


@lru_cache(maxsize=1024)
def _layout(file: Stamp) -> _Layout:
    path = file.path
    try:
        with _unpacked(path) as content:
            start = content.read(540)
        wide = int.from_bytes(start[:4], "little") == 540 or int.from_bytes(start[:4], "big") == 540
        kind = Nifti2Header if wide else Nifti1Header
        if len(start) < kind.sizeof_hdr or (start[4:8] != b"n+2\0" and start[344:348] != b"n+1\0"):
            raise InputError(f"{path}: not a NIfTI file; expected .nii or .nii.gz of one piece")
        found = kind.from_fileobj(  # type: ignore[no-untyped-call]
            streams.BytesIO(start[: kind.sizeof_hdr]), check=False
        )
        shape, dtype = tuple(int(n) for n in found.get_data_shape()), found.get_data_dtype()
        offset, zooms, (length, time) = int(found.get_data_offset()), found.get_zooms(), found.get_xyzt_units()
        slope, inter = (float(v or 0) for v in found.get_slope_inter())
    except InputError:
        raise
    except Exception as error:  # nibabel and gzip raise whatever a damaged file makes them raise
        raise InputError(f"{path}: not a NIfTI file, or a damaged one; export it again") from error
    if len(shape) < 2 or min(shape) < 1:
        raise InputError(f"{path}: has the shape {shape}; expected at least two axes")
    if dtype.kind not in WHOLE_NUMBERS and dtype.names != ("R", "G", "B"):
        raise InputError(f"{path}: holds {dtype} values; expected whole numbers from 0 to 65535, or RGB")
    header = Header(int(np.prod(shape[2:], dtype=object)), (shape[1], shape[0]), _spacing(zooms, length))
    header.checked(path)
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size > MAX_VOXEL_BYTES or not kind.sizeof_hdr <= offset <= MAX_OFFSET:
        raise InputError(
            f"{path}: says it holds {size} bytes from byte {offset} on; expected at most {MAX_VOXEL_BYTES}: split it"
        )
    timed = len(shape) > 3 and shape[2] == 1 and time in SECONDS and zooms[3] > 0
    step = float(zooms[3]) * SECONDS[time] if timed else None
    return _Layout(header, dtype, shape, offset, slope or 1.0, inter, step)


def _spacing(zooms: tuple[float, ...], unit: str) -> Spacing | None:
    column, row = (round(float(v), 7) for v in zooms[:2])  # they are stored with 32 bits
    known = unit == "mm" and 0 < row < 100 and 0 < column < 100 and (row, column) != (1, 1)
    return (row, column) if known else None


def _unpacked(path: Path) -> gzip.GzipFile | streams.BufferedReader:
    packed = path.name.lower().endswith(".gz")
    return gzip.open(path, "rb") if packed else path.open("rb")


def _volume(path: Path) -> tuple[_Layout, Voxels, int]:
    """The voxels ``(W, H, n)``, or ``(W, H, n, 3)`` in colour, as whole numbers, and the value that is white."""
    with _loading:  # else several threads would unpack the same file at once
        return _load(stamp(path))


@lru_cache(maxsize=2)
def _load(file: Stamp) -> tuple[_Layout, Voxels, int]:
    path, layout = file.path, _layout(file)
    wanted = int(np.prod(layout.shape)) * layout.dtype.itemsize
    try:
        with _unpacked(path) as unpacked:
            unpacked.seek(layout.offset)
            content = unpacked.read(wanted)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be unpacked, the file is damaged or cut off; export it again") from error
    if len(content) < wanted:
        raise InputError(f"{path}: {len(content)} bytes of voxels; expected {wanted}: the file is cut off")
    voxels: NDArray[Any] = np.frombuffer(content, layout.dtype).reshape((*layout.shape[:2], -1), order="F")
    if voxels.dtype.names:
        channels: NDArray[np.uint8] = np.stack([voxels[channel] for channel in "RGB"], -1)
        return layout, channels, 255
    if voxels.dtype == np.uint8 and (layout.slope, layout.inter) == (1.0, 0.0):
        return layout, voxels, 255
    values = np.empty(voxels.shape, np.uint16, order="F")
    for place in range(voxels.shape[2]):
        values[:, :, place] = _whole_numbers(voxels[:, :, place], layout, path)
    high = int(values.max())
    return layout, values.astype(np.uint8) if high <= 255 else values, white_of(high)


def _whole_numbers(plane: NDArray[Any], layout: _Layout, path: Path) -> NDArray[Any]:
    """Scaled as the file says; a plane at a time, for numbers with a point take eight times the memory of bytes."""
    if (layout.slope, layout.inter) != (1.0, 0.0):
        plane = plane * layout.slope + layout.inter
    low, high = float(plane.min()), float(plane.max())
    whole = plane.dtype.kind != "f" or (np.isfinite([low, high]).all() and bool((plane == np.rint(plane)).all()))
    if not whole or low < 0 or high > 65535:
        raise InputError(f"{path}: values from {low:g} to {high:g}; expected whole numbers from 0 to 65535: save it so")
    return plane
