"""Frames in, segmentations out: the one predictor, for `predict`, for `evaluate`, and for programs. No PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Area, Frame, Segmentation
from .answer import Answer, mean_of, stacked
from .bundle import DECODER, ENCODER, GRAPH, Bundle
from .engine import DEFAULT, EngineChoice
from .engines import open_engine
from .filtering import FEW_GROUPS, EarlyFilter, threshold_for
from .tiling import joined, tiles_of
from .tuned import tuned
from .ways import ONCE, Ways

DISAGREEMENT = "disagreement"
"""The graph's output of an ensemble: ``(N, H, W)`` in 0..1."""
AGREEMENT = "agreement"
"""The output of graphs that look several times: ``(N, C)`` in 0..1, `sononerve.runtime.answer.agreement`."""
SURE = 0.5  # presence from which a second look is worth its time


class Predictor:
    """Runs a bundle on this machine's processor; one may be shared by threads.

    ``choice``: what runs it, and how. ``ways``: how each frame is looked at, beside once as it is. ``classes``: those
    of the bundle's that are told, in which order; the others are background then, and presence is that of the first one
    told. All of them where that is not said.

    >>> predictor = Predictor.load("run")  # doctest: +SKIP
    >>> predictor.predict(frame).measurements[0].area_px  # doctest: +SKIP
    1432
    """

    def __init__(
        self,
        bundle: Bundle,
        choice: EngineChoice = DEFAULT,
        ways: Ways = ONCE,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        choice = tuned(bundle, choice)
        self.bundle, self.choice, self.ways = bundle, choice, ways
        self.classes = bundle.config.classes if classes is None else classes
        self._told = [bundle.config.classes.index(name) for name in self.classes]
        halves_alone = ways.sensitivity is not None and not (ways.flip or ways.second_look)
        self._whole = None if halves_alone else open_engine(bundle, GRAPH, choice)
        self._filter = None if ways.sensitivity is None else _early_filter(bundle, ways.sensitivity, choice)
        if ways.second_look and not (bundle.config.close_up and self._tells("box")):
            raise InputError(
                f"{bundle.source}: has not learned to look twice; train a network that finds a box on close-ups too: "
                "--model transcgu-net --set canvas.close_up=2"
            )

    @classmethod
    def load(cls, path: Path | str, choice: EngineChoice = DEFAULT, ways: Ways = ONCE) -> Predictor:
        """Open a run's folder, a bundle's folder or its zip, or the address of one, as `Bundle.open` does."""
        return cls(Bundle.open(path), choice, ways)

    @property
    def identity(self) -> str:
        """What tells this predictor's answers from another's: the bundle, its precision, and the ways that are on."""
        precision = self.choice.precision or self.bundle.config.precision
        return self.bundle.identity + ("" if precision == "fp32" else f"+{precision}") + self.ways.mark

    @property
    def at_once(self) -> int:
        """How many threads should ask it at a time, for the most answers a second: two, or as many as it has streams.

        While the cores look at one frame, the other is measured.
        """
        return max(2, self.choice.at_once)

    @property
    def tells_uncertainty(self) -> bool:
        """Whether several answers stand behind each of its own: those of an ensemble, or of a frame and its mirror."""
        return self.ways.flip or self._tells(DISAGREEMENT)

    @property
    def threshold(self) -> float:
        """Presence below which a frame is not looked at further, 0..1: 0 without an early filter."""
        return 0.0 if self._filter is None else self._filter.threshold

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever uses the answers must know."""
        groups = len(self.bundle.config.tune_presences)
        if self._filter is None or groups >= FEW_GROUPS:
            return ()
        whose = "one subject or cluster" if groups == 1 else f"{groups} subjects or clusters"
        return (f"the early filter was set on frames of {whose}: it may lose more nerves of others than was asked",)

    def predict(self, frame: Frame) -> Segmentation:
        """Segment one frame at its own size."""
        return self.predict_batch([frame])[0]

    def predict_batch(self, frames: list[Frame]) -> list[Segmentation]:
        """Segment frames of one size together; raise `ValueError` where the sizes differ."""
        if not frames:
            return []
        answer = self.look(frames)
        return [self.decide(frame, answer, i) for i, frame in enumerate(frames)]

    def look(self, frames: list[Frame]) -> Answer:
        """What the graph says of frames of one size, at least one; raise `ValueError` where the sizes differ."""
        if len({frame.shape for frame in frames}) != 1:
            raise ValueError(f"frames of {len({f.shape for f in frames})} sizes; expected one size in a batch")
        pixels = np.stack([frame.pixels for frame in frames])[:, None]
        answer = self._in_tiles(pixels) if self._is_large(pixels) else self._answer_filtered(pixels)
        if self.ways.second_look:
            self._look_again(pixels, answer)
        return answer

    def _seen_at_once(self, shape: tuple[int, int]) -> tuple[int, int]:
        """How much of a frame (H, W) is seen by one look: all of it, or a tile."""
        tile = self.ways.tile or max(shape)
        return min(shape[0], tile), min(shape[1], tile)

    def _is_large(self, pixels: NDArray[np.uint8]) -> bool:
        return self.ways.tile is not None and max(pixels.shape[2:]) > self.ways.tile

    def _in_tiles(self, pixels: NDArray[np.uint8]) -> Answer:
        """The answer for large frames, tile by tile: all tiles have one size, and one compiled graph serves them."""
        assert self.ways.tile is not None
        height, width = pixels.shape[2:]
        tiles = tiles_of((height, width), self.ways.tile)
        answers = []
        for one in pixels:
            looks = [self._answer_filtered(np.ascontiguousarray(one[None, :, *tile.slices])) for tile in tiles]
            answers.append(joined([self._with_presence(look) for look in looks], tiles, (height, width)))
        return stacked(answers)

    def _with_presence(self, answer: Answer) -> Answer:
        """The answer for a tile with its presence: a nerve that fills a tile is lost in what fills a panorama."""
        if answer.presence is not None:
            return answer
        share = self.bundle.config.nerve_share
        return replace(
            answer, presence=np.array([presence_of(one[0], share) for one in answer.probabilities], np.float32)
        )

    def _answer_filtered(self, pixels: NDArray[np.uint8]) -> Answer:
        return self._answer(pixels) if self._filter is None else self._filtered(pixels, self._filter)

    def _tells(self, output: str) -> bool:
        return self._whole is not None and output in self._whole.outputs

    def _answer(self, pixels: NDArray[np.uint8]) -> Answer:
        looks = [self._look(pixels)]
        if self.ways.flip:
            looks.append(self._look_mirrored(pixels))
        return mean_of(looks)

    def _filtered(self, pixels: NDArray[np.uint8], early: EarlyFilter) -> Answer:
        """Of a frame that the first look filters, its presence alone: the threshold is one for single looks."""
        found = early.run(pixels)
        spread = np.zeros_like(found["probabilities"][:, 0]) if self.ways.flip else None
        alike = np.full(found["probabilities"].shape[:2], np.nan, np.float32) if self.ways.flip else None
        answer = Answer(found["probabilities"], found["presence"], spread, found.get("box"), alike)
        passed = early.passing(found["presence"])
        if self.ways.flip and len(passed):
            answer.put(passed, mean_of([answer.of(passed), self._look_mirrored(pixels[passed])]))
        return answer

    def _look(self, pixels: NDArray[np.uint8]) -> Answer:
        assert self._whole is not None
        found = self._whole.run({"frame": pixels})
        heads = (found.get(name) for name in ("presence", DISAGREEMENT, "box", AGREEMENT))
        return Answer(found["probabilities"], *heads)

    def _look_mirrored(self, pixels: NDArray[np.uint8]) -> Answer:
        return self._look(np.ascontiguousarray(pixels[..., ::-1])).mirrored()

    def _look_again(self, pixels: NDArray[np.uint8], answer: Answer) -> None:
        """Put what a close look says in the place of what the first one said, where it found a nerve."""
        assert answer.box is not None
        height, width = pixels.shape[2:]
        for i, box in enumerate(answer.box):
            if answer.presence is not None and answer.presence[i] < max(SURE, self.threshold):
                continue
            x, y, wide, high = (float(v) for v in box * np.array([width, height, width, height], np.float32))
            corners = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            area = Area.close_up(corners, (height, width), self.bundle.config.close_up)
            if self._is_large(pixels) and max(area.shape) >= max(self._seen_at_once((height, width))):
                continue  # a tile looked more closely
            closely = self._answer(np.ascontiguousarray(pixels[i : i + 1, :, *area.slices]))
            answer.probabilities[i, :, *area.slices] = closely.probabilities[0]
            if answer.disagreement is not None and closely.disagreement is not None:
                answer.disagreement[i, *area.slices] = closely.disagreement[0]
            if answer.agreement is not None and closely.agreement is not None:
                answer.agreement[i] = closely.agreement[0]

    def decide(self, frame: Frame, answer: Answer, i: int = 0) -> Segmentation:
        """The labels of the answer's frame ``i``, by the bundle's post-processing, and the rest that is said of it."""
        probabilities = answer.probabilities[i]
        share = self.bundle.config.nerve_share
        seen = presence_of(probabilities[0], share) if answer.presence is None else float(answer.presence[i])
        labels = self.bundle.config.postprocess.labels(probabilities, seen, self._seen_at_once(frame.shape))
        if self.classes != self.bundle.config.classes:
            probabilities, labels = self._of_told(probabilities, labels)
        of_first = self._told[0] == 0  # presence and box are those of the bundle's first class
        if not of_first:
            seen = presence_of(probabilities[0], share)
        uncertainty = None if answer.disagreement is None else answer.disagreement[i]
        alike = None if answer.agreement is None else answer.agreement[i, self._told]
        box = None if answer.box is None or not of_first else _box_in(frame, answer.box[i])
        appearance = self.bundle.config.appearance
        strangeness = None if appearance is None else appearance.strangeness(frame.pixels)
        return Segmentation(frame, labels, probabilities, self.classes, seen, uncertainty, box, strangeness, alike)

    def _of_told(
        self, probabilities: NDArray[np.float32], labels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """The same of the classes that are told alone."""
        numbers = np.zeros(len(probabilities) + 1, np.uint8)
        numbers[[i + 1 for i in self._told]] = range(1, len(self._told) + 1)
        return probabilities[self._told], numbers[labels]


def _early_filter(bundle: Bundle, sensitivity: float, choice: EngineChoice) -> EarlyFilter:
    """Encoder and decoder, and the threshold for the sensitivity."""
    presences = bundle.config.tune_presences
    if not (bundle.holds(ENCODER) and bundle.holds(DECODER) and presences):
        raise InputError(
            f"{bundle.source}: cannot filter early; --sensitivity needs one network that tells presence before "
            "it marks anything, as transcgu-net, without a refiner, and a tune part with nerves; an ensemble's members "
            "can each"
        )
    encoder, decoder = (open_engine(bundle, name, choice) for name in (ENCODER, DECODER))
    return EarlyFilter(encoder, decoder, threshold_for(presences, sensitivity))


def _box_in(frame: Frame, box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """A box cxcywh in 0..1 as x, y, width and height in pixels of the frame."""
    height, width = frame.shape
    x, y, wide, high = (float(v) for v in box * np.array([width, height, width, height], np.float32))
    return x - wide / 2, y - high / 2, wide, high


def presence_of(nerve: NDArray[np.float32], share: float) -> float:
    """How likely a nerve is in the frame, where the network has no head for it: 0..1.

    The mean over the likeliest pixels of ``nerve`` ``(H, W)``, as many as a nerve covers: ``share`` of the frame. So a
    bright speck counts little.
    """
    count, likely = max(1, round(share * nerve.size)), nerve.ravel()
    for floor in (0.5, 0.1, 0.01):  # few pixels are sorted in a moment, and most are nearly 0
        above = likely[likely >= floor]
        if len(above) >= count:
            likely = above
            break
    return float(np.partition(likely, -count)[-count:].mean())
