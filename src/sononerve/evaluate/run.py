"""Evaluate a bundle on a data set: score every frame that may be scored, at its own size, by the one predictor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from .. import __version__
from ..data.dataset import Dataset
from ..data.split import Part, Split
from ..errors import InputError
from ..frame import Sample, Segmentation
from ..runtime.bundle import SPLIT, Bundle
from ..runtime.predictor import Predictor
from ..runtime.ways import ONCE, Ways
from .boxes import box_overlap, score_boxes, truth_is_boxes
from .calibration import frame_calibration
from .metrics import score_frame
from .scope import Scope, choose_scope
from .scores import FrameResult, Scores, summarise

BOX_WARNING = (
    "the truth is boxes, not outlines: Dice is against boxes (an ellipse that fills its box scores 0.88); presence is "
    "boxed against unboxed frames, and an unboxed frame may be one that nobody annotated"
)
FEWEST_SUBJECTS = 10


@dataclass(frozen=True)
class Evaluation:
    """Scores, the frames behind them in the order of ``indices`` into ``dataset``, and the predictor that made them."""

    scores: Scores
    results: tuple[FrameResult, ...]
    indices: tuple[int, ...]
    dataset: Dataset
    predictor: Predictor


def evaluate(
    bundle: Bundle | Path | str,
    dataset: Dataset,
    part: Part = "test",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    ways: Ways = ONCE,
) -> Evaluation:
    """Score ``bundle`` on the frames of ``dataset`` that it was not trained on.

    On the data it was trained on this is the test part of its split; elsewhere every frame. ``ways``: how the
    predictor looks at each. Raises `InputError` where the classes differ or no frame is left.

    >>> evaluate("run", load_dataset("frames")).scores.overall.classes["nerve"].scores["dice"]  # doctest: +SKIP
    Interval(value=0.71, low=0.66, high=0.76, subjects=12, frames=60, warning=None)
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    if bundle.config.classes != dataset.classes:
        raise InputError(
            f"{dataset.folder}: its classes are {', '.join(dataset.classes)}, the model's "
            f"{', '.join(bundle.config.classes)}; name them alike with --classes"
        )
    scope = choose_scope(dataset, _split(bundle, SPLIT), bundle.config.fold, part, _splits_of_others(bundle))
    predictor = Predictor(bundle, threads, ways)
    in_mm = all(dataset.records[i].spacing_mm is not None for i in scope.indices)
    results = []
    for number, (i, group) in enumerate(zip(scope.indices, scope.groups, strict=True), start=1):
        sample = dataset[i]
        results.append(score_sample(sample, predictor.predict(sample.frame), dataset.records[i].name, group, in_mm))
        if progress is not None:
            progress(number, len(scope.indices))
    scores = _scores(predictor, dataset, scope, part, results, in_mm)
    return Evaluation(scores, tuple(results), scope.indices, dataset, predictor)


def _split(bundle: Bundle, name: str) -> Split | None:
    if name not in bundle.files:
        return None
    try:
        return Split.model_validate_json(bundle.files[name])
    except ValidationError as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{bundle.source}: {name} is not a split ({first}); export the bundle again") from error


def _splits_of_others(bundle: Bundle) -> list[tuple[Split | None, int]]:
    """Split and fold of each member of an ensemble after the first, whose own are the bundle's."""
    return [(_split(bundle, member.split), member.fold) for member in bundle.config.members[1:]]


def score_sample(sample: Sample, answer: Segmentation, name: str, group: str, in_mm: bool) -> FrameResult:
    """Score one answer; ``in_mm``: distances in mm, else in pixels. Raise `InputError` where nobody drew a mask."""
    if sample.labels is None:
        raise InputError(f"{sample.frame.source}: no mask; expected one to score against")
    spacing = sample.frame.spacing_mm if in_mm else None
    scored = {
        class_name: score_frame(sample.labels == label, answer.labels == label, spacing)
        for label, class_name in enumerate(answer.classes, start=1)
    }
    calibration, uncertainty = {}, {}
    for label, class_name in enumerate(answer.classes, start=1):
        likely = answer.probabilities[label - 1]
        calibration[class_name] = frame_calibration(likely, sample.labels == label, answer.labels == label)
        uncertainty[class_name] = answer.uncertainty_within(label)
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
        calibration=calibration,
        uncertainty=uncertainty,
        box_iou=box_overlap(answer.box, sample.labels == 1),
    )


def _scores(
    predictor: Predictor, dataset: Dataset, scope: Scope, part: Part, results: list[FrameResult], in_mm: bool
) -> Scores:
    source = predictor.bundle.source
    boxed = truth_is_boxes(dataset)
    overall = summarise(results, dataset.classes)
    warnings = [*scope.warnings, *predictor.warnings]
    if overall.subjects < FEWEST_SUBJECTS:
        warnings.append(f"subjects or clusters behind this: {overall.subjects}; the intervals are themselves uncertain")
    if boxed:
        warnings.append(BOX_WARNING)
    annotators = sorted({r.annotator for r in results if r.annotator is not None})
    by_annotator = {who: summarise([r for r in results if r.annotator == who], dataset.classes) for who in annotators}
    return Scores(
        sononerve=__version__,
        model=source.name if source.name != "bundle" else source.parent.name,
        data=dataset.folder.resolve().name,
        part=part,
        split=scope.statement,
        warnings=tuple(warnings),
        left_out=scope.left_out,
        truth="boxes" if boxed else "masks",
        unit="mm" if in_mm else "px",
        overall=overall,
        by_annotator=by_annotator,
        ways=predictor.ways,
    )
