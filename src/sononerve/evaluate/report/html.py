"""The scores as tables in HTML: on a page, where names lead to definitions, and in a notebook, where they show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..contrast import SCORES, against_one, measures
from ..scores import FrameResult, Scores, Summary, interval_warnings
from .definitions import DEFINITIONS
from .table import CONTRAST_HEAD, contrast_row, rows, told


@dataclass(frozen=True)
class Scored:
    """A model's scores, and its frames as `against_one` asks for them."""

    scores: Scores
    frames: Sequence[FrameResult]
    fold: int = 0


def linked(key: str, text: str) -> str:
    """The name of a score, which leads to its definition on the same page."""
    return f'<a href="#def-{key}">{escape(text)}</a>'


def explained(key: str, text: str) -> str:
    """The name of a score, which shows its definition when pointed at."""
    return f'<abbr title="{escape(DEFINITIONS[key][1])}">{escape(text)}</abbr>'


def score_tables(scores: Scores, links: bool = True) -> str:
    """Every score by class, of all frames and of each annotator's, and Dice by size."""
    tables = _score_table(scores.overall, scores, f"All frames: {scores.model}", links)
    for who, summary in scores.by_annotator.items():
        tables += _score_table(summary, scores, f"Drawn by: {who}", links)
    return tables + _by_presence(scores, links) + _by_size(scores, links)


def _score_table(summary: Summary, scores: Scores, title: str, links: bool) -> str:
    named, width = linked if links else explained, len(summary.classes)
    lines = []
    for line in rows(summary, scores.unit, scores.truth == "boxes"):
        kind = ' class="sub"' if line.title.startswith(" ") else ""
        texts = [*line.texts, *[""] * (width - len(line.texts))]
        cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
        lines.append(f"<tr><td{kind}>{named(line.key, line.title.strip())}</td>{cells}</tr>")
    told_also = "".join(f"<li>{escape(warning)}</li>" for warning in interval_warnings(summary))
    notes = f"<p>Of these intervals:</p><ul>{told_also}</ul>" if told_also else ""
    return _table(title, ("score", *map(escape, summary.classes)), "".join(lines)) + notes


def _by_presence(scores: Scores, links: bool) -> str:
    """What can be told of frames without a nerve beside those with one."""
    named = linked if links else explained
    kind = "boxes" if scores.truth == "boxes" else next(iter(scores.overall.classes))
    lines = [
        (
            f"{told_kind} {kind}",
            str(summary.frames),
            name,
            told(found.scores["dice"]),
            told(found.false_positive_rate),
            told(found.scores["outside"]),
            told(found.scores["accuracy"]),
        )
        for told_kind, summary in scores.by_presence.items()
        for name, found in summary.classes.items()
    ]
    names = {
        "dice": f"Dice{scores.against}",
        "false_positive_rate": "marked where there is none",
        "outside": "background marked",
    }
    names |= {"accuracy": "binary accuracy"}
    heads = ("frames", "", "class", *(named(key, text) for key, text in names.items()))
    return grid("Frames with and without a nerve", heads, lines) if lines else ""


def _by_size(scores: Scores, links: bool) -> str:
    """Dice of the smallest, middle and largest third."""
    named = linked if links else explained
    lines = [
        (name, f"{100 * part.lowest:.2f} to {100 * part.highest:.2f} %", str(part.dice.frames), told(part.dice))
        for name, found in scores.overall.classes.items()
        for part in (found.conditions["size"].parts if found.conditions else ())
    ]
    heads = ("class", named("conditions", "share of the frame"), "frames", named("dice", f"Dice{scores.against}"))
    return grid("Dice by size, in thirds", heads, lines) if lines else ""


def subject_table(summary: Summary) -> str:
    """The mean Dice of each group by class, folded away."""
    groups = sorted({group for found in summary.classes.values() for group in found.dice_by_subject})
    lines = [
        (group, *(_digits(found.dice_by_subject.get(group)) for found in summary.classes.values())) for group in groups
    ]
    table = grid("Mean Dice by group", ("group", *map(escape, summary.classes)), lines)
    return f"<details><summary>All groups in a table</summary>{table}</details>"


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def comparison_tables(models: Mapping[str, Scored]) -> str:
    """Every model's main scores by class, and how each differs from the first on the same frames."""
    first, reference = next(iter(models.values())).scores, next(iter(models))
    heads = ("", *(linked(key, title + first.against) for key, (title, _) in SCORES.items()))
    tables = _box_table(models) if first.truth == "boxes" else ""
    for name in first.overall.classes:
        found = {label: model.scores.overall.classes[name].scores for label, model in models.items()}
        lines = [
            (label, *(told(scores[key], f" {first.unit}" if key == "hd95" else "") for key in SCORES))
            for label, scores in found.items()
        ]
        tables += grid(name, heads, lines)
    told_of = f"Against {reference}, on the same frames" + (
        f"; Dice and distances are{first.against}" * bool(first.against)
    )
    measured = measures(list(first.overall.classes), first.truth == "boxes", tuple(SCORES))
    contrasts = against_one({label: [model] for label, model in models.items()}, reference, measured)
    heads = tuple(linked("paired", head) if head == "difference" else escape(head) for head in CONTRAST_HEAD)
    return tables + grid(told_of, heads, [contrast_row(one) for one in contrasts])


def _box_table(models: Mapping[str, Scored]) -> str:
    heads = ("", linked("inside_boxes", "predicted pixels inside boxes"), linked("boxes_touched", "boxes touched"))
    found = {label: model.scores.overall for label, model in models.items()}
    lines = [(label, told(one.pixels_inside_boxes), told(one.boxes_touched)) for label, one in found.items()]
    return grid("Whole frames", heads, lines)


def grid(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; ``heads`` are HTML, the cells of ``lines`` are text."""
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in line) + "</tr>" for line in lines)
    return _table(title, heads, body)


def _table(title: str, heads: Sequence[str], body: str) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f'<div class="wide"><table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table></div>'
