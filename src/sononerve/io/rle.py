"""Run-length masks as Kaggle's nerve challenge writes them: ``start length`` pairs, by columns, counted from 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


def decode(runs: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Turn pairs into a mask of 0 and 1, uint8 ``(H, W)``; the empty string is an empty mask.

    >>> decode("1 2", (2, 2)).tolist()
    [[1, 0], [1, 0]]
    """
    try:
        numbers = np.array([int(word) for word in runs.split()], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"run-length mask {runs[:40]!r}: expected whole numbers, 'start length start length ...'"
        ) from error
    if len(numbers) % 2:
        raise InputError(f"run-length mask {runs[:40]!r}: {len(numbers)} numbers; expected pairs of start and length")
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    size = shape[0] * shape[1]
    if (starts < 0).any() or (lengths < 1).any() or (starts >= size).any() or (lengths > size - starts).any():
        raise InputError(
            f"run-length mask {runs[:40]!r}: runs leave the frame of {size} pixels; is it of this frame's size?"
        )
    mask = np.zeros(size, np.uint8)
    for start, length in zip(starts, lengths, strict=True):
        mask[start : start + length] = 1
    return mask.reshape(shape, order="F")


def encode(mask: NDArray[np.uint8] | NDArray[np.bool_]) -> str:
    """Turn a mask ``(H, W)``, anything but 0 counting as 1, into pairs.

    >>> encode(np.array([[1, 0], [1, 0]], np.uint8))
    '1 2'
    """
    flat = np.concatenate([[0], (mask != 0).ravel(order="F").astype(np.int8), [0]])
    changes = np.flatnonzero(np.diff(flat))
    starts, ends = changes[::2], changes[1::2]
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))
