"""The scores as a compact table for a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..agreement import Agreement
from ..contrast import Contrast
from ..scores import ClassSummary, Scores, Summary, interval_warnings
from ..statistics import FEWEST_TESTED, Interval

TITLES = {
    "dice": "Dice",
    "iou": "IoU",
    "accuracy": "binary accuracy",
    "precision": "precision",
    "recall": "recall",
    "outside": "background marked",
    "surface_dice": "surface Dice",
    "kaggle": "Kaggle's metric",
    "hd95": "HD95",
    "mean_distance": "mean surface distance",
}


CONTRAST_HEAD = ("", "score", "difference", "", "p", "p, Holm")
CONTRAST_MEANING = (
    "mean [95 % interval over groups]; better and worse: the interval of the paired difference leaves 0 out and at "
    f"least {FEWEST_TESTED} groups stand behind it, else a tie; p by Wilcoxon's signed ranks over groups, and "
    "corrected by Holm for all rows of the table"
)


@dataclass(frozen=True)
class Line:
    """A line of the table: the score's key in `definitions`, its title, and a text for each class or one for all."""

    key: str
    title: str
    texts: tuple[str, ...]


def told(interval: Interval | None, unit: str = "") -> str:
    """A mean with its interval in brackets; a dash where the score is not defined."""
    if interval is None:
        return "-"
    digits = 3 if not unit else 1
    mean = f"{interval.value:.{digits}f}"
    if interval.low is None or interval.high is None:
        return f"{mean}{unit}"
    return f"{mean}{unit} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def contrast_row(contrast: Contrast) -> tuple[str, ...]:
    """A contrast as the cells of a row under `CONTRAST_HEAD`."""
    found = contrast.difference
    text = f"{found.value:+.3f}"
    if found.low is not None and found.high is not None:
        text += f" [{found.low:+.3f}, {found.high:+.3f}]"
    return (contrast.label, contrast.measure, text, contrast.verdict, _chance(contrast.p), _chance(contrast.p_holm))


def _chance(p: float | None) -> str:
    return "-" if p is None else f"{p:.2g}" if p >= 0.001 else "< 0.001"


def rows(summary: Summary, unit: str, boxes: bool) -> list[Line]:
    """Lines of the table. Against boxes, what boxes can tell comes first."""
    lines: list[Line] = []
    classes = list(summary.classes.values())

    def add(key: str, title: str, *texts: str) -> None:
        lines.append(Line(key, title, texts))

    if boxes:
        add("inside_boxes", "predicted pixels inside boxes", told(summary.pixels_inside_boxes))
        add("boxes_touched", "boxes touched", told(summary.boxes_touched))
    against = " against boxes" if boxes else ""
    for metric, title in TITLES.items():
        distance = f" {unit}" if metric in ("hd95", "mean_distance") else ""
        add(metric, title + against, *(told(c.scores[metric], distance) for c in classes))
        if metric == "dice":
            add("by_subject", f"  mean of subjects{against}", *(told(c.dice_mean_of_subjects) for c in classes))
            medians = ("-" if c.median_dice is None else f"{c.median_dice:.3f}" for c in classes)
            add("dice", f"  median{against}", *medians)
            add("missed", "  frames missed (Dice < 0.1)", *(told(c.missed) for c in classes))
    add("centroid_distance", f"centroid distance{against}", *(told(c.centroid_distance, f" {unit}") for c in classes))
    area = " mm²" if unit == "mm" else " px"
    add(
        "area",
        f"area, predicted - true{against}",
        *(told(None if c.area is None else c.area.bias, area) for c in classes),
    )
    add("limits", f"  limits of agreement{against}", *(_limits(c.area, area) for c in classes))
    icc = (told(None if c.area is None else c.area.icc) for c in classes)
    add("icc", f"  intraclass correlation{against}", *icc)
    add("calibration", f"calibration error near the class{against}", *(_error(c, near=True) for c in classes))
    add("calibration", f"  over all pixels{against}", *(_error(c, near=False) for c in classes))
    if any(c.forecast is not None for c in classes):
        bias, ranks, failures = zip(*(_forecast(c) for c in classes), strict=True)
        add("expected_dice", f"expected Dice - Dice{against}", *bias)
        add("expected_dice", "  against Dice, by rank", *ranks)
        add("failures", "  AUROC of failures (Dice < 0.5)", *failures)
    if any(c.uncertainty_against_dice is not None for c in classes):
        doubts = (told(c.uncertainty_against_dice) for c in classes)
        add("uncertainty_against_dice", "uncertainty against Dice, by rank", *doubts)
    empty = "unboxed frames marked" if boxes else "false-positive rate, empty frames"
    add("false_positive_rate", empty, *(told(c.false_positive_rate) for c in classes))
    auroc = "AUROC of boxed against unboxed" if boxes else "presence AUROC"
    add("presence_auroc", auroc, told(summary.presence_auroc))
    if summary.presence_brier is not None:
        add("presence_brier", "  Brier score of presence", told(summary.presence_brier))
    if summary.box_iou is not None:
        add("box_iou", "IoU of the network's own box", told(summary.box_iou))
    if summary.strange is not None:
        add("strange", "frames unlike the training's", told(summary.strange))
    add("frames", "frames with / without", *(f"{c.with_class} / {c.without}" for c in classes))
    return lines


def _forecast(found: ClassSummary) -> tuple[str, str, str]:
    """How far the expected Dice is off in the mean, its rank correlation with Dice, and its AUROC of failures."""
    forecast = found.forecast
    if forecast is None:
        return "-", "-", "-"
    return told(forecast.bias), told(forecast.against_dice), told(forecast.failures)


def _limits(found: Agreement | None, unit: str) -> str:
    if found is None or found.low is None or found.high is None:
        return "-"
    return f"{found.low.value:.1f} to {found.high.value:.1f}{unit}"


def _error(found: ClassSummary, near: bool) -> str:
    if found.calibration is None:
        return "-"
    return told(found.calibration.error_near if near else found.calibration.error)


def table(scores: Scores) -> RenderableType:
    """The table, with the split and every warning above it."""
    head = [Text(f"{scores.model} on {scores.data}, {scores.part} part", style="bold")]
    head.append(Text(f"{scores.overall.frames} frames, {scores.overall.subjects} groups; split {scores.split}"))
    if scores.ways.mark:
        head.append(Text(f"each frame was looked at in more ways than one: {scores.ways.mark}"))
    if scores.left_out:
        head.append(Text("not scored: " + ", ".join(f"{n} {why}" for why, n in scores.left_out.items())))
    head += [Text(f"warning: {warning}", style="yellow") for warning in scores.warnings]
    parts: list[RenderableType] = [*head, _grid(scores.overall, scores, "all frames")]
    parts += [Text(f"of these intervals: {warning}", style="yellow") for warning in interval_warnings(scores.overall)]
    parts += [_grid(summary, scores, f"drawn by: {who}") for who, summary in scores.by_annotator.items()]
    return Group(*parts)


def _grid(summary: Summary, scores: Scores, title: str) -> Table:
    grid = Table(title=title, title_justify="left", caption="mean [95 % interval over groups]", caption_justify="left")
    grid.add_column("score")
    for name in summary.classes:
        grid.add_column(name, justify="right")
    for line in rows(summary, scores.unit, scores.truth == "boxes"):
        grid.add_row(line.title, *line.texts)
    return grid
