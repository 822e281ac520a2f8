"""From scored frames to what is told: means with intervals by class, by subject, by annotator."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..runtime.ways import ONCE, Ways
from .agreement import Agreement, measure_agreement
from .boxes import BoxScores
from .calibration import FrameCalibration, calibration_error
from .conditions import Conditions, Dependence, depend
from .metrics import FrameScores
from .statistics import (
    Interval,
    bootstrap_auroc,
    bootstrap_interval,
    bootstrap_pooled,
    rank_correlation,
    subject_means,
)
from .thresholds import Cut, FrameCounts, Operating, operate, receiver_operating

SHARES = ("dice", "iou", "accuracy", "precision", "recall", "outside", "surface_dice", "kaggle")
DISTANCES = ("hd95", "mean_distance")
MISSED_BELOW, FAILED_BELOW = 0.1, 0.5


@dataclass(frozen=True)
class FrameResult:
    """One scored frame: ``presence`` is the predicted probability of a nerve, ``present`` the truth.

    ``box_iou``: of the box that the network tells, None where it tells none or the frame holds no nerve.
    ``strangeness``: of the frame to the model, above 1 where it is unlike those of its training; None where unknown.

    By class: ``calibration``; ``expected_dice``, as the model tells it, None where nothing was predicted;
    ``uncertainty``, the mean inside what was predicted, None where nothing was or no
    uncertainty is known; ``counts`` at other thresholds; ``conditions``, None on a frame without the class;
    ``centroid_distance``, in the unit of the other distances, None where truth or prediction is empty. ``pixel_mm2``:
    the area of a pixel, None where the spacing is unknown.
    """

    name: str
    group: str
    annotator: str | None
    presence: float
    present: bool
    classes: dict[str, FrameScores]
    boxes: BoxScores | None
    calibration: Mapping[str, FrameCalibration] = field(default_factory=dict)
    expected_dice: Mapping[str, float | None] = field(default_factory=dict)
    uncertainty: Mapping[str, float | None] = field(default_factory=dict)
    box_iou: float | None = None
    counts: Mapping[str, FrameCounts] = field(default_factory=dict)
    conditions: Mapping[str, Conditions | None] = field(default_factory=dict)
    centroid_distance: Mapping[str, float | None] = field(default_factory=dict)
    pixel_mm2: float | None = None
    strangeness: float | None = None

    def without_details(self) -> FrameResult:
        """The scores alone, as a comparison of many models keeps them."""
        return dataclasses.replace(
            self,
            calibration={},
            expected_dice={},
            uncertainty={},
            counts={},
            conditions={},
            centroid_distance={},
            pixel_mm2=None,
            strangeness=None,
        )

    @property
    def dice(self) -> float | None:
        """Mean Dice of the classes that the frame holds."""
        known = [scores.dice for scores in self.classes.values() if scores.dice is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class CalibrationSummary:
    """How far the probabilities of one class are from frequencies; see `evaluate.calibration` for each.

    ``error``: expected calibration error over all pixels; ``error_near``: near the class, None where it is nowhere.
    ``brier``, ``log_loss``: means over frames.
    """

    error: Interval | None
    error_near: Interval | None
    brier: Interval | None
    log_loss: Interval | None


@dataclass(frozen=True)
class Forecast:
    """How well the Dice that a model expects foretells the true one, over frames where it predicted the class.

    ``bias``: expected minus true, in the mean. ``against_dice``: rank correlation of the two. ``failures``: the AUROC
    of the expected Dice for frames with a true one below 0.5; None where all frames are of one kind.
    """

    bias: Interval
    against_dice: Interval | None
    failures: Interval | None


@dataclass(frozen=True)
class ClassSummary:
    """Means of one class with 95 % intervals; ``missed`` is the share of its frames with Dice below 0.1.

    ``scores``: by metric, over the frames where it is defined, of which ``with_class`` hold the class and ``without``
    do not; None where no frame defines it. ``median_dice`` over the frames with the class.

    ``forecast``: of the Dice that the model expects, over the frames with the class; None where it was predicted on
    none. ``uncertainty_against_dice``: rank correlation of Dice with the mean uncertainty in what was predicted, near
    -1 where uncertainty tells the bad frames; over the frames with the class on which something was predicted, None
    where no uncertainty is known.

    ``area``: agreement of the predicted with the true area, in the square of the unit of distances, and
    ``centroid_distance``, over the frames on which both hold the class. ``thresholds``: what other thresholds would
    mark. ``conditions``: how Dice goes with each field of `Conditions`, over the frames with the class.
    """

    with_class: int
    without: int
    scores: dict[str, Interval | None]
    median_dice: float | None
    missed: Interval | None
    false_positive_rate: Interval | None
    dice_by_subject: dict[str, float]
    dice_mean_of_subjects: Interval | None
    calibration: CalibrationSummary | None = None
    forecast: Forecast | None = None
    uncertainty_against_dice: Interval | None = None
    area: Agreement | None = None
    centroid_distance: Interval | None = None
    thresholds: tuple[Operating, ...] = ()
    conditions: Mapping[str, Dependence] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """A set of frames: its classes, presence, and scores against boxes where the truth is boxes.

    ``presence_brier``: mean squared error of the predicted presence, only where frames of both kinds are, as its AUROC.
    ``box_iou``: of the network's own box with the hull of the nerve; None where it tells no box. ``presence_curve``:
    the ROC curve behind the AUROC, empty where that is None. ``strange``: share of the frames that are unlike those of
    the model's training; None where it does not know.
    """

    frames: int
    subjects: int
    classes: dict[str, ClassSummary]
    presence_auroc: Interval | None
    pixels_inside_boxes: Interval | None = None
    boxes_touched: Interval | None = None
    presence_brier: Interval | None = None
    box_iou: Interval | None = None
    presence_curve: tuple[Cut, ...] = ()
    strange: Interval | None = None


@dataclass(frozen=True)
class Scores:
    """Everything an evaluation tells; the same JSON feeds table, page and bundle.

    ``truth``: "masks", or "boxes" where the masks are filled boxes: then Dice is against boxes, which are no outlines,
    and presence is boxed against unboxed. ``unit`` is that of the distances. ``ways``: how each frame was looked at.
    ``by_presence``: of the frames "with" and "without" the first class, where there are both.
    """

    sononerve: str
    model: str
    data: str
    part: str
    split: str
    warnings: tuple[str, ...]
    left_out: dict[str, int]
    truth: str
    unit: str
    overall: Summary
    by_annotator: dict[str, Summary]
    ways: Ways = ONCE
    by_presence: dict[str, Summary] = field(default_factory=dict)

    @property
    def against(self) -> str:
        """What stands behind the name of a score where the truth is boxes: it is no score of outlines."""
        return " against boxes" if self.truth == "boxes" else ""

    def anonymous(self) -> Scores:
        """The same scores with subjects and annotators called by numbers: for what is passed on."""
        told = {f"annotator {i}": _anonymous(s) for i, s in enumerate(self.by_annotator.values(), start=1)}
        kinds = {kind: _anonymous(summary) for kind, summary in self.by_presence.items()}
        return dataclasses.replace(self, overall=_anonymous(self.overall), by_annotator=told, by_presence=kinds)

    def to_json(self) -> str:
        """As JSON, intervals as objects."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def interval_warnings(summary: Summary) -> list[str]:
    """Why not to trust some of the intervals much, with the classes that it is about; each reason once."""
    found: dict[str, list[str]] = {}
    for name, about in summary.classes.items():
        known = (*about.scores.values(), about.dice_mean_of_subjects, about.false_positive_rate)
        for warning in dict.fromkeys(interval.warning for interval in known if interval is not None):
            if warning is not None:
                found.setdefault(warning, []).append(name)
    if summary.presence_auroc is not None and summary.presence_auroc.warning is not None:
        found.setdefault(summary.presence_auroc.warning, []).append("presence")
    return [f"{', '.join(names)}: {warning}" for warning, names in found.items()]


def _anonymous(summary: Summary) -> Summary:
    classes = {
        name: dataclasses.replace(
            found, dice_by_subject={f"group {i}": v for i, v in enumerate(found.dice_by_subject.values(), start=1)}
        )
        for name, found in summary.classes.items()
    }
    return dataclasses.replace(summary, classes=classes)


def summarise(results: Sequence[FrameResult], classes: Sequence[str]) -> Summary:
    """Summarise scored frames; groups are what the bootstrap resamples."""
    groups = [r.group for r in results]
    auroc = brier = None
    if len({r.present for r in results}) == 2:
        auroc = bootstrap_auroc([r.presence for r in results], [r.present for r in results], groups)
        brier = bootstrap_interval([(r.presence - r.present) ** 2 for r in results], groups)
    boxed = [r for r in results if r.boxes is not None]
    return Summary(
        frames=len(results),
        subjects=len(set(groups)),
        classes={name: _summarise_class(results, name) for name in classes},
        presence_auroc=auroc,
        pixels_inside_boxes=_mean([(r.group, r.boxes.inside) for r in boxed if r.boxes]),
        boxes_touched=_mean([(r.group, r.boxes.touched) for r in boxed if r.boxes]),
        box_iou=_mean([(r.group, r.box_iou) for r in results if r.box_iou is not None]),
        presence_brier=brier,
        presence_curve=receiver_operating([r.presence for r in results], [r.present for r in results]),
        strange=_mean([(r.group, float(r.strangeness > 1)) for r in results if r.strangeness is not None]),
    )


def _summarise_class(results: Sequence[FrameResult], name: str) -> ClassSummary:
    scored: list[tuple[str, FrameScores]] = [(r.group, r.classes[name]) for r in results]
    dice = [(group, s.dice) for group, s in scored if s.dice is not None]
    scores: dict[str, Interval | None] = {}
    for metric in (*SHARES, *DISTANCES):
        values = [(group, getattr(s, metric)) for group, s in scored]
        scores[metric] = _mean([(group, value) for group, value in values if value is not None])
    wrong = [(group, float(s.false_positive)) for group, s in scored if s.false_positive is not None]
    ranked = [value for _, value in dice]
    by_subject = subject_means([v for _, v in dice], [g for g, _ in dice]) if dice else {}
    return ClassSummary(
        with_class=len(dice),
        without=len(scored) - len(dice),
        scores=scores,
        median_dice=statistics.median(ranked) if ranked else None,
        missed=_mean([(group, float(value < MISSED_BELOW)) for group, value in dice]),
        false_positive_rate=_mean(wrong),
        dice_by_subject=by_subject,
        dice_mean_of_subjects=_mean(dice, by_subject=True),
        calibration=_summarise_calibration([(r.group, r.calibration[name]) for r in results if name in r.calibration]),
        forecast=_forecast(results, name),
        uncertainty_against_dice=_uncertainty_against_dice(results, name),
        area=_area_agreement(results, name),
        centroid_distance=_mean([(r.group, d) for r in results if (d := r.centroid_distance.get(name)) is not None]),
        thresholds=_thresholds(results, name),
        conditions=_conditions(results, name),
    )


def _area_agreement(results: Sequence[FrameResult], name: str) -> Agreement | None:
    """In mm² where every pixel's size is known, else in pixels, as distances are."""
    in_mm = all(r.pixel_mm2 is not None for r in results)
    both = [r for r in results if r.classes[name].truth_area and r.classes[name].predicted_area]
    sizes = [r.pixel_mm2 if in_mm and r.pixel_mm2 is not None else 1.0 for r in both]
    true = [r.classes[name].truth_area * size for r, size in zip(both, sizes, strict=True)]
    predicted = [r.classes[name].predicted_area * size for r, size in zip(both, sizes, strict=True)]
    return measure_agreement(true, predicted, [r.group for r in both])


def _thresholds(results: Sequence[FrameResult], name: str) -> tuple[Operating, ...]:
    known = [r for r in results if name in r.counts]
    areas = [r.classes[name].truth_area for r in known]
    return operate([r.counts[name] for r in known], areas, [r.group for r in known])


def _conditions(results: Sequence[FrameResult], name: str) -> dict[str, Dependence]:
    known = [
        (conditions, dice, r.group)
        for r in results
        if (conditions := r.conditions.get(name)) is not None and (dice := r.classes[name].dice) is not None
    ]
    if not known:
        return {}
    values, groups = [value for _, value, _ in known], [group for _, _, group in known]
    return {
        named.name: depend(values, [getattr(found, named.name) for found, _, _ in known], groups)
        for named in dataclasses.fields(Conditions)
    }


def _summarise_calibration(found: Sequence[tuple[str, FrameCalibration]]) -> CalibrationSummary | None:
    if not found:
        return None
    groups = [group for group, _ in found]
    near = [(group, frame.near) for group, frame in found if np.any(frame.near)]
    return CalibrationSummary(
        error=bootstrap_pooled(np.stack([frame.everywhere for _, frame in found]), groups, calibration_error),
        error_near=bootstrap_pooled(np.stack([t for _, t in near]), [g for g, _ in near], calibration_error)
        if near
        else None,
        brier=_mean([(group, frame.brier) for group, frame in found]),
        log_loss=_mean([(group, frame.log_loss) for group, frame in found]),
    )


def _forecast(results: Sequence[FrameResult], name: str) -> Forecast | None:
    known = [
        (expected, dice, r.group)
        for r in results
        if (expected := r.expected_dice.get(name)) is not None and (dice := r.classes[name].dice) is not None
    ]
    if not known:
        return None
    told, true, groups = zip(*known, strict=True)
    bias = bootstrap_interval([a - b for a, b in zip(told, true, strict=True)], groups)
    failures = bootstrap_auroc([-expected for expected in told], [dice < FAILED_BELOW for dice in true], groups)
    return Forecast(bias, rank_correlation(told, true, groups), failures)


def _uncertainty_against_dice(results: Sequence[FrameResult], name: str) -> Interval | None:
    known = [
        (uncertainty, dice, r.group)
        for r in results
        if (uncertainty := r.uncertainty.get(name)) is not None and (dice := r.classes[name].dice) is not None
    ]
    return rank_correlation(*zip(*known, strict=True)) if known else None


def _mean(values: Sequence[tuple[str, float]], by_subject: bool = False) -> Interval | None:
    if not values:
        return None
    scored, groups = [v for _, v in values], [g for g, _ in values]
    return bootstrap_interval(scored, groups, by="subject" if by_subject else "frame")
