"""All frames of a configuration, one after the other or several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, product
from multiprocessing import get_context

import cv2

from ...frame import Sample
from .config import PhantomConfig
from .scene import frame

PIECE = 16
"""Frames that one process draws before it hands them over."""


def samples(config: PhantomConfig, processes: int = 1) -> Iterator[Sample]:
    """Draw all frames in their order: subject by subject, video by video.

    ``processes``: how many draw at once; the frames do not depend on it, and few are held at a time. More than one
    starts Python anew, so a script that asks for it needs ``if __name__ == "__main__"``.
    """
    places = product(range(config.subjects), range(config.videos), range(config.frames))
    if processes <= 1:
        for subject, video, index in places:
            yield frame(config, subject, index, video)
        return
    pieces = _pieces(config)
    with ProcessPoolExecutor(processes, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        waiting = deque(pool.submit(_piece, config, *piece) for piece in islice(pieces, 2 * processes))
        try:
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(_piece, config, *piece) for piece in islice(pieces, 1))
                yield from done
        finally:
            pool.shutdown(cancel_futures=True)


def _pieces(config: PhantomConfig) -> Iterator[tuple[int, int, range]]:
    """Subject, video and frames of each piece of work: neighbours share anatomy and scatterers."""
    for subject, video, first in product(range(config.subjects), range(config.videos), range(0, config.frames, PIECE)):
        yield subject, video, range(first, min(first + PIECE, config.frames))


def _piece(config: PhantomConfig, subject: int, video: int, indices: range) -> list[Sample]:
    return [frame(config, subject, index, video) for index in indices]
