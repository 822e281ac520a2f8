"""Near-duplicate frames: one picture exported twice in another size, crop or gain, or neighbours in a video.

Frames are reduced to planes of structures (`plane`), the middle of each is looked for in all others (`search`), and
what looks promising is laid over each other and compared where both are (`registration`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...process import READERS, one_thread
from ..dataset import Dataset, Progress
from .plane import Plane, plane_of
from .registration import Alignment, register
from .search import Candidate, candidates

__all__ = ["ALIKE", "RELATED", "Alignment", "Pair", "Plane", "clusters", "find_pairs", "pairs_of", "plane_of"]

ALIKE = 0.65
"""Likeness from which two frames are duplicates: exported twice they have 0.9, neighbours in a sweep about 0.7."""

RELATED = 0.55
"""Likeness from which two frames show the same place of the same person; unlike people seldom reach 0.5."""


ENOUGH = 4
"""Pairs of a frame with one subject, video or cluster, after which it is not compared with more of it."""


@dataclass(frozen=True)
class Pair:
    """Two frames by number, ``first < second``; ``likeness`` up to 1; ``alignment`` from the first to the second."""

    first: int
    second: int
    likeness: float
    alignment: Alignment


def find_pairs(dataset: Dataset, progress: Progress | None = None) -> list[Pair]:
    """The pairs of likeness `RELATED` and more, most alike first.

    A frame is compared with its nearest, those of its own video or subject and others, and no more once `ENOUGH` of
    one of them were found: so of a video of like frames not every pair is here, but a chain of pairs, which is enough
    for `clusters`. Where homes are unknown, a clip that drifts slowly may still hide a copy of itself. Memory grows by
    16 kB a frame, time by its square.
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
    nearest = candidates(planes, homes)
    known: dict[tuple[int, int], Pair | None] = {}
    chains = _Chains(len(planes))
    with one_thread():  # in no pool: on planes this small threads only wait for each other
        for first, likely in enumerate(nearest):
            known.update(_partners(first, likely, planes, homes, chains, known))
    pairs = [pair for pair in known.values() if pair is not None]
    return sorted(pairs, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def _partners(
    first: int,
    nearest: list[Candidate],
    planes: list[Plane],
    homes: Sequence[str | None],
    chains: _Chains,
    known: dict[tuple[int, int], Pair | None],
) -> dict[tuple[int, int], Pair | None]:
    """What comparing a frame with its ``nearest`` found; those already ``known`` are not compared again."""
    found: dict[tuple[int, int], Pair | None] = {}
    had: list[int] = []
    for candidate in nearest:
        key = (min(first, candidate.second), max(first, candidate.second))
        if sum(_one_home(candidate.second, other, homes, chains) for other in had) >= ENOUGH:
            continue
        pair = known.get(key)
        if pair is None:
            pair = _compare(planes, first, candidate)
            found[key] = pair
        if pair is not None:
            had.append(candidate.second)
            chains.join(*key)
    return found


def _one_home(one: int, other: int, homes: Sequence[str | None], chains: _Chains) -> bool:
    """Whether two frames are of one subject or video; where that is unknown, of one cluster so far."""
    if homes[one] is None or homes[other] is None:
        return chains.root(one) == chains.root(other)
    return homes[one] == homes[other]


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
    chains = _Chains(frames)
    for pair in pairs:
        if pair.likeness >= least:
            chains.join(pair.first, pair.second)
    return np.array([chains.root(i) for i in range(frames)], np.int64)


class _Chains:
    """Which frames hang together, link by link; a chain is called by the lowest number in it."""

    def __init__(self, frames: int) -> None:
        self.parent = list(range(frames))

    def root(self, i: int) -> int:
        """The chain that frame ``i`` is in."""
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, one: int, other: int) -> None:
        """Link two frames."""
        a, b = self.root(one), self.root(other)
        self.parent[max(a, b)] = min(a, b)
