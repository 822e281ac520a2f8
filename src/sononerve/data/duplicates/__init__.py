"""Near-duplicate frames: one picture exported twice in another size, crop or gain, or neighbours in a video.

Frames are reduced to planes of structures (`plane`), the middle of each is looked for in all others (`search`), and
what looks promising is laid over each other and compared where both are (`registration`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...process import one_thread
from ..dataset import READERS, Dataset, Progress
from .plane import Plane, plane_of
from .registration import Alignment, register
from .search import Candidate, candidates

__all__ = ["ALIKE", "RELATED", "Alignment", "Pair", "Plane", "clusters", "find_pairs", "pairs_of", "plane_of"]

ALIKE = 0.65
"""Likeness from which two frames are duplicates: exported twice they have 0.9, neighbours in a sweep about 0.7."""

RELATED = 0.55
"""Likeness from which two frames show the same place of the same person; unlike people seldom reach 0.5."""


ENOUGH = 4


@dataclass(frozen=True)
class Pair:
    """Two frames by number, ``first < second``; ``likeness`` up to 1; ``alignment`` from the first to the second."""

    first: int
    second: int
    likeness: float
    alignment: Alignment


def find_pairs(dataset: Dataset, progress: Progress | None = None) -> list[Pair]:
    """The pairs of likeness `RELATED` and more, most alike first.

    A frame is compared with its nearest, and no more once `ENOUGH` of one subject or video were found: so of a video
    of like frames not every pair is here, while the `clusters` are whole. Memory grows by 16 kB a frame, time by its
    square.
    """
    return pairs_of(planes_of(dataset, progress), dataset.homes)


def planes_of(dataset: Dataset, progress: Progress | None = None) -> list[Plane]:
    """The plane of every frame, in order; raise `InputError` naming a frame that cannot be read."""
    planes: list[Plane] = []
    with one_thread(), ThreadPoolExecutor(READERS) as pool:
        for plane in pool.map(lambda i: plane_of(dataset[i].frame.pixels), range(len(dataset))):
            planes.append(plane)
            if progress is not None:
                progress(len(planes), len(dataset))
    return planes


def pairs_of(planes: list[Plane], homes: Sequence[str | None]) -> list[Pair]:
    """`find_pairs` of planes; ``homes``: the video or subject of each, where it is known."""
    nearest = candidates(planes)
    known: dict[tuple[int, int], Pair | None] = {}
    with one_thread():  # in no pool: on planes this small threads only wait for each other
        for first, likely in enumerate(nearest):
            known.update(_partners(first, likely, planes, homes, known))
    pairs = [pair for pair in known.values() if pair is not None]
    return sorted(pairs, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def _partners(
    first: int,
    nearest: list[Candidate],
    planes: list[Plane],
    homes: Sequence[str | None],
    known: dict[tuple[int, int], Pair | None],
) -> dict[tuple[int, int], Pair | None]:
    """What comparing a frame with its ``nearest`` found; those already ``known`` are not compared again."""
    found: dict[tuple[int, int], Pair | None] = {}
    had: Counter[str | None] = Counter()
    for candidate in nearest:
        key = (min(first, candidate.second), max(first, candidate.second))
        home = homes[candidate.second]
        if had[home] >= ENOUGH:
            continue
        pair = known.get(key)
        if pair is None:
            pair = _compare(planes, first, candidate)
            found[key] = pair
        had[home] += pair is not None
    return found


def _compare(planes: list[Plane], first: int, candidate: Candidate) -> Pair | None:
    found = register(planes[first], planes[candidate.second], candidate.places)
    if found is None or found[0] < RELATED:
        return None
    likeness, alignment = found
    if first > candidate.second:
        return Pair(candidate.second, first, likeness, alignment.inverse())
    return Pair(first, candidate.second, likeness, alignment)


def clusters(pairs: Iterable[Pair], frames: int, least: float = RELATED) -> NDArray[np.int64]:
    """Number each frame's cluster, ``(frames,)``: chains of pairs of likeness ``least`` and more are one cluster."""
    parent = list(range(frames))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for pair in pairs:
        if pair.likeness >= least:
            a, b = root(pair.first), root(pair.second)
            parent[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(frames)], np.int64)
