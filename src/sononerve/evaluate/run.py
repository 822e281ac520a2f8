"""Evaluate a bundle on a data set: score every frame that may be scored, at its own size, by the one predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from pydantic import ValidationError

from .. import __version__
from ..data.dataset import Dataset
from ..data.split import Part, Split
from ..errors import InputError
from ..frame import Sample, Segmentation
from ..io.page import warnings
from ..runtime.bundle import SPLIT, Bundle
from ..runtime.engine import DEFAULT, EngineChoice
from ..runtime.predictor import Predictor
from ..runtime.ways import ONCE, Ways
from .boxes import box_overlap, score_boxes, truth_is_boxes
from .calibration import frame_calibration
from .conditions import frame_conditions
from .metrics import centroid_distance, score_frame
from .scope import Scope, choose_scope, count_seen
from .scores import FrameResult, Scores, Summary, summarise
from .thresholds import count_at_thresholds

MANY_STRANGE = 0.1  # of the frames
STRANGE = "many frames are unlike those that the model was trained on: it was not made for them"
BOX_WARNING = (
    "the truth is boxes, not outlines: Dice is against boxes (an ellipse that fills its box scores 0.88); presence is "
    "boxed against unboxed frames, and an unboxed frame may be one that nobody annotated"
)
FEWEST_SUBJECTS = 10
FEW = "subjects or clusters behind this"


@dataclass(frozen=True)
class Evaluation:
    """Scores, the frames behind them in the order of ``indices`` into ``dataset``, and the predictor that made them."""

    scores: Scores
    results: tuple[FrameResult, ...]
    indices: tuple[int, ...]
    dataset: Dataset
    predictor: Predictor

    def _repr_html_(self) -> str:
        """The tables with their warnings, for a notebook."""
        from .report.html import score_tables

        scores = self.scores
        about = f"{scores.model} on {scores.data}, {scores.overall.frames} frames; split {scores.split}"
        return f"{warnings(list(scores.warnings))}<p>{escape(about)}</p>{score_tables(scores, links=False)}"


def evaluate(
    bundle: Bundle | Path | str,
    dataset: Dataset,
    part: Part = "test",
    choice: EngineChoice = DEFAULT,
    progress: Callable[[int, int], None] | None = None,
    ways: Ways = ONCE,
) -> Evaluation:
    """Score ``bundle`` on the frames of ``dataset`` that it was not trained on.

    On the data it was trained on this is the test part of its split; elsewhere every frame. ``choice``: what runs it.
    ``ways``: how the predictor looks at each. Classes of the model that the data do not know are not scored. Raises
    `InputError` where the data have a class that the model does not know, or no frame is left.

    >>> evaluate("run", load_dataset("frames")).scores.overall.classes["nerve"].scores["dice"]  # doctest: +SKIP
    Interval(value=0.71, low=0.66, high=0.76, subjects=12, frames=60, warning=None)
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    if not set(dataset.classes) <= set(bundle.config.classes):
        raise InputError(
            f"{dataset.folder}: its classes are {', '.join(dataset.classes)}, the model's "
            f"{', '.join(bundle.config.classes)}; name them alike with --classes"
        )
    scope = scope_of(bundle, dataset, part)
    predictor = Predictor(bundle, choice, ways, dataset.classes)
    in_mm = all(dataset.records[i].spacing_mm is not None for i in scope.indices)
    results = []
    for number, (i, group) in enumerate(zip(scope.indices, scope.groups, strict=True), start=1):
        sample = dataset[i]
        answer = predictor.predict(sample.frame)
        result = score_sample(sample, answer, dataset.records[i].name, group, in_mm)
        results.append(with_details(result, sample, answer, in_mm))
        if progress is not None:
            progress(number, len(scope.indices))
    scores = _scores(predictor, dataset, scope, part, results, in_mm)
    return Evaluation(scores, tuple(results), scope.indices, dataset, predictor)


def scope_of(bundle: Bundle, dataset: Dataset, part: Part = "test") -> Scope:
    """Which frames of ``dataset`` are of a part of the bundle's split, as `choose_scope` says."""
    return choose_scope(dataset, _split(bundle, SPLIT), bundle.config.fold, part, _splits_of_others(bundle))


def seen_in_training(bundles: Sequence[Bundle], dataset: Dataset, parts: tuple[Part, ...] = ("fit", "tune")) -> int:
    """How many frames of ``dataset`` one of the models or those before it had in ``parts``, as far as they tell."""
    members = [
        member
        for bundle in bundles
        for member in ((_split(bundle, SPLIT), bundle.config.fold), *_splits_of_others(bundle))
    ]
    return count_seen(dataset, members, parts)


def on_common_frames(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The same evaluations of one data set, each on those frames alone that all of them scored.

    Groups are those of the first. Raises `InputError` where there is no such frame, or distances have several units.
    """
    first = evaluations[0]
    shared = set.intersection(*(set(evaluation.indices) for evaluation in evaluations))
    if not shared:
        raise InputError(
            f"{first.dataset.folder}: {', '.join(e.scores.model for e in evaluations)} have no held-out frame in "
            "common; report models of one split and fold, or on other data"
        )
    if len({evaluation.scores.unit for evaluation in evaluations}) > 1:
        raise InputError(
            f"{first.dataset.folder}: some frames have no spacing, so distances are in mm for one model and in pixels "
            "for another; give it for all with --spacing-mm"
        )
    groups = {i: result.group for i, result in zip(first.indices, first.results, strict=True)}
    return [_restricted(evaluation, {i: groups[i] for i in sorted(shared)}) for evaluation in evaluations]


def _restricted(evaluation: Evaluation, groups: Mapping[int, str]) -> Evaluation:
    """The evaluation on the frames ``groups`` names, in these groups."""
    results = dict(zip(evaluation.indices, evaluation.results, strict=True))
    if {i: result.group for i, result in results.items()} == groups:
        return evaluation
    kept = [replace(results[i], group=group) for i, group in groups.items()]
    classes, left = evaluation.dataset.classes, len(results) - len(kept)
    overall = summarise(kept, classes)
    others = (warning for warning in evaluation.scores.warnings if not warning.startswith(FEW))
    scores = replace(
        evaluation.scores,
        warnings=(*others, *_too_few(overall)),
        overall=overall,
        by_annotator=_by_annotator(kept, classes),
        by_presence=_by_presence(kept, classes),
        left_out=evaluation.scores.left_out | ({"not held out for all models": left} if left else {}),
    )
    return replace(evaluation, scores=scores, results=tuple(kept), indices=tuple(groups))


def _by_annotator(results: Sequence[FrameResult], classes: Sequence[str]) -> dict[str, Summary]:
    annotators = sorted({r.annotator for r in results if r.annotator is not None})
    return {who: summarise([r for r in results if r.annotator == who], classes) for who in annotators}


def _too_few(overall: Summary) -> list[str]:
    few = overall.subjects < FEWEST_SUBJECTS
    return [f"{FEW}: {overall.subjects}; the intervals are themselves uncertain"] if few else []


def _strange(overall: Summary) -> list[str]:
    many = overall.strange is not None and overall.strange.value > MANY_STRANGE
    return [STRANGE] if many else []


def _by_presence(results: Sequence[FrameResult], classes: Sequence[str]) -> dict[str, Summary]:
    """Frames with a nerve and without; nothing where all are of one kind."""
    kinds = {told: [r for r in results if r.present == kind] for told, kind in (("with", True), ("without", False))}
    return {told: summarise(found, classes) for told, found in kinds.items()} if all(kinds.values()) else {}


def _split(bundle: Bundle, name: str) -> Split | None:
    if name not in bundle.files:
        return None
    try:
        return Split.model_validate_json(bundle.files[name])
    except ValidationError as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{bundle.source}: {name} is not a split ({first}); export the bundle again") from error


def _splits_of_others(bundle: Bundle) -> list[tuple[Split | None, int]]:
    """Split and fold of each member of an ensemble after the first, whose own are the bundle's, and of each start."""
    others = (*bundle.config.members[1:], *bundle.config.starts)
    return [(_split(bundle, other.split), other.fold) for other in others]


def score_sample(sample: Sample, answer: Segmentation, name: str, group: str, in_mm: bool) -> FrameResult:
    """Score one answer; ``in_mm``: distances in mm, else in pixels. Raise `InputError` where nobody drew a mask."""
    if sample.labels is None:
        raise InputError(f"{sample.frame.source}: no mask; expected one to score against")
    spacing = sample.frame.spacing_mm if in_mm else None
    scored = {
        class_name: score_frame(sample.labels == label, answer.labels == label, spacing)
        for label, class_name in enumerate(answer.classes, start=1)
    }
    present = bool((sample.labels == 1).any())
    boxes = score_boxes(sample, answer.labels == 1)
    return FrameResult(
        name=name,
        group=group,
        annotator=sample.annotator,
        presence=answer.presence,
        present=present,
        classes=scored,
        boxes=boxes,
        box_iou=box_overlap(answer.box, sample.labels == 1),
        strangeness=answer.strangeness,
    )


def with_details(result: FrameResult, sample: Sample, answer: Segmentation, in_mm: bool) -> FrameResult:
    """The result of `score_sample` with all that explains it: calibration, thresholds, conditions, centroids."""
    assert sample.labels is not None
    spacing = sample.frame.spacing_mm if in_mm else None
    calibration, expected, uncertainty, counts, conditions, apart = {}, {}, {}, {}, {}, {}
    for label, name in enumerate(answer.classes, start=1):
        likely, truth, predicted = answer.probabilities[label - 1], sample.labels == label, answer.labels == label
        calibration[name] = frame_calibration(likely, truth, predicted)
        expected[name] = answer.expected_dice(label)
        uncertainty[name] = answer.uncertainty_within(label)
        counts[name] = count_at_thresholds(likely, truth)
        conditions[name] = frame_conditions(sample.frame.pixels, truth)
        apart[name] = centroid_distance(truth, predicted, spacing)
    return replace(
        result,
        calibration=calibration,
        expected_dice=expected,
        uncertainty=uncertainty,
        counts=counts,
        conditions=conditions,
        centroid_distance=apart,
        pixel_mm2=None if spacing is None else spacing[0] * spacing[1],
    )


def _scores(
    predictor: Predictor, dataset: Dataset, scope: Scope, part: Part, results: list[FrameResult], in_mm: bool
) -> Scores:
    source = predictor.bundle.source
    boxed = truth_is_boxes(dataset)
    overall = summarise(results, dataset.classes)
    told = [*scope.warnings, *predictor.warnings, *_too_few(overall), *_strange(overall)]
    unknown = [name for name in predictor.bundle.config.classes if name not in dataset.classes]
    if unknown:
        told.append(f"not scored, for the data do not know it: {', '.join(unknown)}")
    if boxed:
        told.append(BOX_WARNING)
    return Scores(
        sononerve=__version__,
        model=source.name if source.name != "bundle" else source.parent.name,
        data=dataset.folder.resolve().name,
        part=part,
        split=scope.statement,
        warnings=tuple(told),
        left_out=scope.left_out,
        truth="boxes" if boxed else "masks",
        unit="mm" if in_mm else "px",
        overall=overall,
        by_annotator=_by_annotator(results, dataset.classes),
        by_presence=_by_presence(results, dataset.classes),
        ways=predictor.ways,
    )
