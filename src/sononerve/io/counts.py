"""Masks as counts of pixels, background first, then mask, in turn: COCO counts down the columns, CVAT along the rows.

COCO also packs the counts into a text: from the third on, each is told as its difference to the last but one, and
written in pieces of five bits, lowest first, as the characters from ``0`` (48) on; 32 says that more follow
(cocoapi's ``maskApi.c``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Order = Literal["C", "F"]
"""C: along the rows. F: down the columns."""

BITS, MORE, SIGN, FIRST = 5, 0x20, 0x10, 48
LONGEST = 6  # pieces of a count: 30 bits with the sign, more than any frame has pixels


def decode(counts: Sequence[int] | NDArray[np.int64], shape: tuple[int, int], order: Order) -> NDArray[np.bool_]:
    """Turn counts into a mask ``(H, W)``; raise `InputError` where they are not of exactly that many pixels.

    >>> decode([1, 2, 1], (2, 2), "F").astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    size = shape[0] * shape[1]
    try:
        lengths = np.asarray(counts, np.int64)
    except OverflowError:
        lengths = np.array([-1])
    outside = (lengths < 0).any() or (lengths > size).any()  # before the sum, which might run over
    if outside or len(lengths) > 2 * size + 2 or lengths.sum() != size:
        raise InputError(f"run lengths of another number of pixels than {shape[1]} x {shape[0]}; is it of this frame?")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(shape, order=order)


def encode(mask: NDArray[np.bool_], order: Order) -> list[int]:
    """Turn a mask ``(H, W)`` into counts.

    >>> encode(np.array([[True, False]]), "F")
    [0, 1, 1]
    """
    flat = mask.ravel(order=order).astype(np.int8)
    changes = np.flatnonzero(np.diff(flat, prepend=np.int8(0)))
    return [int(count) for count in np.diff(changes, prepend=0, append=flat.size)]


def pack(counts: Sequence[int]) -> str:
    """Turn counts into COCO's text.

    >>> pack([6, 1, 40, 4])
    '61X13'
    """
    packed = bytearray()
    for place, count in enumerate(counts):
        left, more = count - counts[place - 2] if place > 2 else count, True
        while more:
            piece, left = left & 0x1F, left >> BITS
            more = left != (-1 if piece & SIGN else 0)
            packed.append(FIRST + (piece | MORE if more else piece))
    return packed.decode("ascii")


def unpack(text: str) -> NDArray[np.int64]:
    """Turn COCO's text into counts; raise `InputError` for one that cannot be."""
    pieces = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) - FIRST
    ends = np.flatnonzero(pieces & MORE == 0)
    if not len(pieces):
        return np.zeros(0, np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = np.diff(ends, prepend=-1)
    if pieces.min() < 0 or pieces.max() > 63 or not len(ends) or ends[-1] != len(pieces) - 1 or lengths.max() > LONGEST:
        raise InputError(f"run lengths {text[:40]!r}: not what COCO packs; expected a text as pycocotools writes it")
    place = np.arange(len(pieces)) - np.repeat(starts, lengths)
    counts = np.add.reduceat((pieces & 0x1F) << (BITS * place), starts)
    counts -= np.where(pieces[ends] & SIGN, 1 << (BITS * lengths), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return np.asarray(counts, np.int64)
