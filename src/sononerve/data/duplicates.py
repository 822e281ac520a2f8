"""Near-duplicate frames: the same picture re-exported in another size or crop, or neighbours in a video."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from .dataset import READERS, Dataset, Progress

SIDE = 32
DARK = 12  # grey levels; at and below it is screen, not tissue
LIT = 0.1  # share of a row that must be brighter to count as tissue
ALIKE = 0.85  # correlation from which two frames are one; generous, for a missed twin leaks and a false one only costs
CHUNK = 1024


def clusters(dataset: Dataset, progress: Progress | None = None) -> NDArray[np.int64]:
    """Number each frame's cluster of near-duplicates, ``(n,)``; chains of look-alikes are one cluster.

    Frames are cut to their lit part, shrunk to 32 x 32, and compared by correlation: this finds other sizes, gains and
    black borders, not strong crops.
    """
    prints: list[NDArray[np.float32]] = []
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(lambda i: fingerprint(dataset[i].frame.pixels), range(len(dataset))):
            prints.append(found)
            if progress is not None:
                progress(len(prints), len(dataset))
    return _connected(np.stack(prints))


def fingerprint(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe a frame ``(H, W)`` by 1,024 numbers of mean 0 and length 1; their dot product is a correlation."""
    lit = pixels > DARK
    rows, columns = np.flatnonzero(lit.mean(1) > LIT), np.flatnonzero(lit.mean(0) > LIT)
    if len(rows) and len(columns):
        pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32).ravel()
    smooth -= smooth.mean()
    return smooth / max(float(np.linalg.norm(smooth)), 1e-6)


def _connected(prints: NDArray[np.float32]) -> NDArray[np.int64]:
    """Union-find over all pairs that are alike, a chunk of rows at a time to bound memory."""
    parent = list(range(len(prints)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for start in range(0, len(prints), CHUNK):
        alike = prints[start : start + CHUNK] @ prints.T > ALIKE
        for row, column in zip(*np.nonzero(alike), strict=True):
            a, b = root(start + int(row)), root(int(column))
            parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(len(prints))])
