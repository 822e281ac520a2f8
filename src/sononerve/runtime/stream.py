"""A stream of frames in, segmentations out, in order and in time: read ahead, smoothed, and followed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from ..errors import InputError
from ..frame import Frame, Segmentation
from ..io.stream import Stream
from .answer import Answer
from .overlap import Ahead, in_order
from .predictor import Predictor
from .smoothing import Smoother, Smoothing
from .tracking import Region, Tracker

READ_AHEAD = 4  # frames of a file
STEADY = Smoothing()


@dataclass(frozen=True)
class Moment:
    """The answer for one frame of a stream.

    ``index``: which of the stream's frames, from 0; those that were dropped count. ``regions``: the pieces of the mask,
    each with a number that it keeps. ``dropped``: how many frames have been dropped so far.
    """

    index: int
    segmentation: Segmentation
    regions: tuple[Region, ...]
    dropped: int = 0

    @property
    def time_s(self) -> float:
        """Seconds since the start."""
        return self.segmentation.frame.time_s or 0.0


def segment_stream(predictor: Predictor, stream: Stream, smoothing: Smoothing = STEADY) -> Iterator[Moment]:
    """Segment the stream's frames in order, while the next ones are being read.

    Of a file every frame is segmented, two at a time: an answer comes when two further frames are read. Of a live
    stream it is the newest, and those that came meanwhile are dropped: an answer is never older than one frame takes.
    Frames without a time get one by the stream's rate. Raises `InputError` where the stream cannot be read further, or
    its frames change their size.

    >>> for moment in segment_stream(predictor, open_stream("clip.mp4")):  # doctest: +SKIP
    ...     print(moment.time_s, moment.segmentation.presence)
    """
    smooth, track = Smoother(smoothing, 1 / stream.fps), Tracker()

    def look(numbered: tuple[int, Frame]) -> tuple[int, Frame, Answer]:
        index, frame = numbered
        return index, frame, predictor.look([frame])

    with Ahead(_timed(stream), 1 if stream.live else READ_AHEAD, drop=stream.live) as frames:
        at_once = 1 if stream.live else predictor.at_once
        for index, frame, answer in in_order(_of_one_size(frames, stream.name), look, at_once):
            segmentation = predictor.decide(frame, smooth(frame, answer))
            yield Moment(index, segmentation, track(segmentation, frame.time_s or 0.0), frames.dropped)


def _of_one_size(frames: Iterator[tuple[int, Frame]], name: str) -> Iterator[tuple[int, Frame]]:
    """The frames; raise `InputError` at the first that has not the size of those before it."""
    shape: tuple[int, int] | None = None
    for index, frame in frames:
        if shape is not None and frame.shape != shape:
            raise InputError(
                f"{frame.source or name}: frame {index} has {frame.shape} rows and columns, those before {shape}; "
                "expected one size: predict them as single frames"
            )
        shape = frame.shape
        yield index, frame


def _timed(stream: Stream) -> Iterator[tuple[int, Frame]]:
    """The frames with their numbers, and with times that go on: one that has none comes as much later as usual."""
    frames, last = stream.open(), -1 / stream.fps
    try:
        for index, frame in enumerate(frames):
            known = frame.time_s if frame.time_s is not None and frame.time_s > last else last + 1 / stream.fps
            yield index, frame if frame.time_s == known else replace(frame, time_s=known)
            last = known
    finally:
        if isinstance(frames, Generator):  # it holds a file or a camera
            frames.close()
