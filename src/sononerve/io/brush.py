"""Masks as Label Studio's brush keeps them: a packed stream of the four channels of a picture, of which opacity counts.

The stream (rle-pack of thi.ng/umbrella) begins with 32 bits: how many values; 5 bits: bits per value less one; four
times 4 bits: the sizes of a length, less one. Then, until all values are there: 1 bit, whether a run follows or single
values; 2 bits, which size; the length less one; and the run's value, or the single values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

CHANNELS, WORD, OPAQUE = 4, 8, 255
SIZES = (3, 4, 8, 16)


class _Bits:
    """Numbers read one after another from ``data``, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def number(self, bits: int) -> int:
        """The next ``bits`` bits."""
        end = self.place + bits
        if end > 8 * len(self.data):
            raise InputError("a brush mask that is cut off; export it again")
        taken = int.from_bytes(self.data[self.place // 8 : -(-end // 8)], "big") >> (-end % 8)
        self.place = end
        return taken & ((1 << bits) - 1)

    def words(self, count: int) -> NDArray[np.uint8]:
        """The next ``count`` values of 8 bits."""
        end = self.place + WORD * count
        if end > 8 * len(self.data):
            raise InputError("a brush mask that is cut off; export it again")
        bits = np.unpackbits(np.frombuffer(self.data[self.place // 8 : -(-end // 8)], np.uint8))
        taken = np.packbits(bits[self.place % 8 :][: WORD * count])
        self.place = end
        return taken


def decode(data: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the brush is not fully transparent, ``(H, W)``; raise `InputError` for what is not of exactly this size."""
    bits, size = _Bits(data), CHANNELS * shape[0] * shape[1]
    if bits.number(32) != size or bits.number(5) + 1 != WORD:
        raise InputError(f"a brush mask that is not of {shape[1]} x {shape[0]} pixels with four channels of 8 bits")
    sizes = [bits.number(4) + 1 for _ in range(4)]
    values, done = np.zeros(size, np.uint8), 0
    while done < size:
        is_run = bits.number(1)
        end = done + 1 + bits.number(sizes[bits.number(2)])
        if end > size:
            raise InputError(f"a brush mask of more pixels than {shape[1]} x {shape[0]}")
        values[done:end] = bits.number(WORD) if is_run else bits.words(end - done)
        done = end
    return (values[CHANNELS - 1 :: CHANNELS] > 0).reshape(shape)


def encode(mask: NDArray[np.bool_]) -> bytes:
    """Turn a mask ``(H, W)`` into a stream, the same in all four channels."""
    flat = mask.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size) * CHANNELS
    texts = [f"{CHANNELS * flat.size:032b}{WORD - 1:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    for start, length in zip(starts, lengths, strict=True):
        value, left = OPAQUE if flat[start] else 0, int(length)
        while left:
            part = min(left, 1 << SIZES[-1])
            which = next(i for i, size in enumerate(SIZES) if part <= 1 << size)
            texts.append(f"1{which:02b}{part - 1:0{SIZES[which]}b}{value:08b}")
            left -= part
    bits = "".join(texts)
    return int(bits + "0" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big")
