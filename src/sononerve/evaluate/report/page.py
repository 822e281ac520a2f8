"""One page that shows an evaluation: warnings first, then the scores, then the frames."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...io.page import document, figure, warnings
from ..scores import Scores, Summary
from .table import rows


def page(scores: Scores, pictures: Sequence[tuple[str, str]]) -> str:
    """The page as HTML; ``pictures`` are paths beside the page, each with its caption."""
    ways = f" Each frame was looked at in more ways than one: {scores.ways.mark}." if scores.ways.mark else ""
    left_out = ", ".join(f"{count} {why}" for why, count in scores.left_out.items()) or "none"
    tables = _table(scores.overall, scores, "All frames")
    tables += "".join(_table(s, scores, f"Drawn by: {who}") for who, s in scores.by_annotator.items())
    body = f"""{warnings(list(scores.warnings))}
<p>{scores.overall.frames} frames of the {escape(scores.part)} part in {scores.overall.subjects} groups. Split:
{escape(scores.split)}. Not scored: {escape(left_out)}.{escape(ways)}</p>
<h2>Scores</h2>
{tables}
<h2>Frames</h2>
{"".join(figure(path, caption) for path, caption in pictures)}
<footer><p>Means with 95 % intervals by resampling groups. A class that is absent from a frame counts only in its
false-positive rate, background marked, binary accuracy and Kaggle's metric; a miss counts as Dice 0 and as the frame's
diagonal in distances. Made by sononerve {escape(scores.sononerve)}. Not a medical device.</p></footer>"""
    return document(f"{scores.model} on {scores.data}", body)


def _table(summary: Summary, scores: Scores, title: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in summary.classes)
    width = len(summary.classes)
    body = "".join(
        f"<tr><td>{escape(line.strip())}</td>"
        + "".join(f"<td>{escape(text)}</td>" for text in [*texts, *[""] * (width - len(texts))])
        + "</tr>"
        for line, texts in rows(summary, scores.unit, scores.truth == "boxes")
    )
    return (
        f'<div class="wide"><table><caption>{escape(title)}</caption><tr><th>score</th>{head}</tr>{body}</table></div>'
    )
