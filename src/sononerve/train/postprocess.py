"""Post-processing chosen on the tune part, and only where the part shows that it helps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset
from ..evaluate.run import scope_of
from ..evaluate.statistics import paired_difference
from ..runtime.bundle import Bundle
from ..runtime.postprocess import PLAIN, ClassRules, PostProcess
from ..runtime.predictor import Predictor

MOST_FRAMES = 60  # of the tune part; probabilities of all are held in memory
FEWEST_GROUPS = 5  # of fewer, chance decides
FEWEST_TO_REMOVE = 20  # of fewer, the frame whose true piece is removed is not among them
LEVEL = 0.99  # of the interval that must lie above 0: the best of many candidates is looked at
WORTH = 0.002  # Dice below which a rule is not worth its time and its words
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
BLURS = (0.0, 0.004, 0.008, 0.016)
SHARES_OF_SMALL = (0.1, 0.25, 0.5)  # of what a small true piece covers
SMALL = 0.05  # quantile of true pieces
PRESENCES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)

Truth = NDArray[np.uint8]


@dataclass(frozen=True)
class Chosen:
    """The rules, and a line on each that was kept or why none was looked for."""

    postprocess: PostProcess
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Seen:
    """One frame of the tune part: probabilities ``(C, H, W)`` in half precision, presence, truth, and its group."""

    probabilities: NDArray[np.float16]
    presence: float
    truth: Truth
    group: str


def choose_postprocess(
    bundle: Bundle, dataset: Dataset, progress: Callable[[int, int], None] | None = None, begun: PostProcess = PLAIN
) -> Chosen:
    """Rules for the bundle's labels, by its tune part in ``dataset``; ``begun``: those that are there already.

    Threshold, blur, rules of each class and presence are looked at in turn. A frame's score is the mean of its classes'
    Dice, and 1 for a class that neither the frame nor the mask holds. The best candidate is taken where it gains at
    least 0.002 and the 99 % interval of the gain, over subjects or clusters, lies above 0. Rules that remove pieces are
    looked at from 20 subjects or clusters on: they gain a little on most frames, and now and then lose a whole nerve.
    Presence is, where the part holds empty frames; without them only less than what is there already.
    """
    scope = scope_of(bundle, dataset, "tune")
    places = _some(len(scope.indices))
    groups = len({scope.groups[place] for place in places})
    said, others = dict.fromkeys(begun.told, "set beforehand"), "plain" if begun == PLAIN else "other rules"
    if groups < FEWEST_GROUPS:
        found = f"the tune part has frames of {groups} subjects or clusters, of which {FEWEST_GROUPS} are needed"
        return Chosen(begun, _lines(said | {others: found}))
    chosen_frames = [(scope.indices[place], scope.groups[place]) for place in places]
    seen = _look(Predictor(bundle), dataset, chosen_frames, progress)
    chosen, now = begun, _scores(seen, begun, len(dataset.classes))
    for candidates in _families(seen, len(dataset.classes), groups >= FEWEST_TO_REMOVE, begun.presence):
        tried = {rules: _scores(seen, rules, len(dataset.classes)) for rules in candidates(chosen) if rules != chosen}
        best = max(tried, key=lambda rules: tried[rules].mean(), default=chosen)
        if best == chosen:
            continue
        gain = paired_difference(tried[best], now, [frame.group for frame in seen], level=LEVEL)
        if gain.low is not None and gain.low > 0 and gain.value >= WORTH:
            new = [words for words in best.told if words not in chosen.told]
            gone = [words for words in chosen.told if words not in best.told]
            said = {words: why for words, why in said.items() if words in best.told}
            said["; ".join(new) or f"not {'; '.join(gone)}"] = (
                f"Dice +{gain.value:.3f} on {len(seen)} frames of the tune part"
            )
            chosen, now = best, tried[best]
    if chosen == begun:
        said[others] = f"nothing else gains on {len(seen)} frames of the tune part"
    return Chosen(chosen, _lines(said))


def _lines(said: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{words}: {why}" for words, why in said.items())


def frames_looked_at(tune: int) -> int:
    """At most so many of ``tune`` frames `choose_postprocess` looks at."""
    return min(tune, MOST_FRAMES)


def _some(count: int) -> list[int]:
    """Which of so many frames are looked at, spread evenly."""
    places = np.linspace(0, count - 1, frames_looked_at(count)).round().astype(int)
    return [int(place) for place in np.unique(places)]


def _look(
    predictor: Predictor,
    dataset: Dataset,
    frames: Sequence[tuple[int, str]],
    progress: Callable[[int, int], None] | None,
) -> list[_Seen]:
    """The answers for frames of the data set, by their index, of these groups."""
    seen = []
    for number, (index, group) in enumerate(frames, start=1):
        sample = dataset[index]
        assert sample.labels is not None
        answer = predictor.predict(sample.frame)
        seen.append(_Seen(answer.probabilities.astype(np.float16), answer.presence, sample.labels, group))
        if progress is not None:
            progress(number, len(frames))
    return seen


def _scores(seen: Sequence[_Seen], rules: PostProcess, classes: int) -> NDArray[np.float64]:
    """A score for each frame: the mean of its classes' Dice, where a class that is nowhere counts 1."""
    return np.array([_score(frame, rules, classes) for frame in seen])


def _score(frame: _Seen, rules: PostProcess, classes: int) -> float:
    labels = rules.labels(frame.probabilities.astype(np.float32), frame.presence)
    return float(np.mean([_dice(frame.truth == label, labels == label) for label in range(1, classes + 1)]))


def _dice(truth: NDArray[np.bool_], marked: NDArray[np.bool_]) -> float:
    whole = int(truth.sum()) + int(marked.sum())
    return 2 * int((truth & marked).sum()) / whole if whole else 1.0


Family = Callable[[PostProcess], Iterable[PostProcess]]
"""Candidates that differ in one thing from the rules so far."""


def _families(seen: Sequence[_Seen], classes: int, removes: bool, presence: float) -> Iterator[Family]:
    """``removes``: whether rules that remove pieces are among them. ``presence``: the one that is there already."""
    holding = {frame.group for frame in seen if (frame.truth == 1).any()}
    lacking = {frame.group for frame in seen if not (frame.truth == 1).any()}
    shown = min(len(holding), len(lacking)) >= FEWEST_GROUPS  # without empty frames only that it costs
    presences = sorted((p for p in PRESENCES if shown or p < presence), key=lambda p: abs(p - presence))

    def of_presence(rules: PostProcess) -> Iterator[PostProcess]:
        return (rules.model_copy(update={"presence": value}) for value in presences)

    if presence > 0:  # a nerve that it loses tells nothing of the other rules
        yield of_presence
    yield lambda rules: (rules.model_copy(update={"threshold": value}) for value in THRESHOLDS)
    yield lambda rules: (rules.model_copy(update={"blur": value}) for value in BLURS)
    for label in range(1, classes + 1):
        if removes:
            yield _of_class(label, classes, [{"largest": True}])
            small = _small_piece(seen, label)
            yield _of_class(label, classes, [{"least_area": share * small} for share in SHARES_OF_SMALL if small > 0])
        yield _of_class(label, classes, [{"fill_holes": True}])
    if presence == 0:
        yield of_presence


def _of_class(label: int, classes: int, changes: Sequence[dict[str, object]]) -> Family:
    def candidates(rules: PostProcess) -> Iterator[PostProcess]:
        every = list(rules.classes) or [ClassRules()] * classes
        for change in changes:
            changed = every[label - 1].model_copy(update=change)
            yield rules.model_copy(update={"classes": (*every[: label - 1], changed, *every[label:])})

    return candidates


def _small_piece(seen: Sequence[_Seen], label: int) -> float:
    """What share of its frame a small piece of the class covers; 0 where there is none."""
    shares = []
    for frame in seen:
        count, _, found, _ = cv2.connectedComponentsWithStats((frame.truth == label).astype(np.uint8), connectivity=8)
        shares += [found[piece, cv2.CC_STAT_AREA] / frame.truth.size for piece in range(1, count)]
    return float(np.quantile(shares, SMALL)) if shares else 0.0
