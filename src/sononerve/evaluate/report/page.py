"""One page that shows an evaluation: warnings first, then the scores, then the frames."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..scores import Scores, Summary
from .table import rows

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --ground: #fff; --line: #bbb; --warn: #fff3cd; --warn-ink: #5c4400 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --ground: #16181c; --line: #555; --warn: #4a3b00; --warn-ink: #ffe9a8 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } caption { text-align: left; font-weight: 600 }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem; text-align: right } th:first-child,
td:first-child { text-align: left } .wide { overflow-x: auto }
.warning { background: var(--warn); color: var(--warn-ink); padding: .6rem 1rem; border-radius: .4rem; margin: .5rem 0 }
img { max-width: 100%; height: auto; border-radius: .3rem } figure { margin: 1.5rem 0 }
figcaption { font-size: .9rem } footer { margin: 3rem 0; font-size: .9rem; border-top: 1px solid var(--line) }
"""


def page(scores: Scores, pictures: Sequence[tuple[str, str]]) -> str:
    """The page as HTML; ``pictures`` are paths beside the page, each with its caption."""
    told = "".join(f'<p class="warning">{escape(w)}</p>' for w in scores.warnings)
    left_out = ", ".join(f"{count} {why}" for why, count in scores.left_out.items()) or "none"
    tables = _table(scores.overall, scores, "All frames")
    tables += "".join(_table(s, scores, f"Drawn by: {who}") for who, s in scores.by_annotator.items())
    shown = "".join(
        f'<figure><img src="{escape(path)}" alt="{escape(caption)}" loading="lazy">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for path, caption in pictures
    )
    title = f"{scores.model} on {scores.data}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
{told}
<p>{scores.overall.frames} frames of the {escape(scores.part)} part in {scores.overall.subjects} groups. Split:
{escape(scores.split)}. Not scored: {escape(left_out)}.</p>
<h2>Scores</h2>
{tables}
<h2>Frames</h2>
{shown}
<footer><p>Means with 95 % intervals by resampling groups. A class that is absent from a frame counts only in its
false-positive rate, binary accuracy and Kaggle's metric; a miss counts as Dice 0 and as the frame's diagonal in
distances. Made by sononerve {escape(scores.sononerve)}. Not a medical device.</p></footer>
</body></html>
"""


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
