"""One page that shows an evaluation by itself: warnings first, then scores, plots, frames, and what numbers mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from ...io.page import warnings
from ...runtime.bundle import CARD
from ..robustness import Robustness
from ..run import Evaluation
from ..scores import Scores
from .agreement_plots import bland_altman
from .condition_plots import TITLES, dice_against_condition
from .definitions import DEFINITIONS
from .gallery import Explainer, gallery
from .html import Scored, comparison_tables, linked, score_tables, subject_table
from .learning_plot import Log, learning_curves
from .plot import Plot
from .robustness_plot import robustness_plot
from .subject_plots import dice_by_group
from .threshold_plots import dice_against_threshold, precision_and_recall, presence_roc, reliability_plot

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
SCRIPT = (Path(__file__).parent / "report.js").read_text(encoding="utf-8")
NOT_MEDICAL = "Not a medical device: for research only."


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its title, its HTML and the plots in it."""

    key: str
    title: str
    body: str
    plots: tuple[Plot, ...] = field(default=())


@dataclass(frozen=True)
class Shown:
    """One model of a page: its evaluation, and where they are known its robustness and the log of its training."""

    evaluation: Evaluation
    robustness: Robustness | None = None
    log: Log = ()


def report_page(
    models: Mapping[str, Shown],
    audited: Sequence[str] = (),
    explainer: Explainer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[str, list[Plot]]:
    """The page as HTML, which needs nothing beside it, and every plot in it.

    ``models``: by what they are called, scored on the same frames; the first is shown in full, the others are held
    against it. ``audited``: warnings of an audit of the data. ``explainer``: further maps of the first. ``progress``
    is told how many frames are drawn, and of how many.
    """
    evaluations = {name: shown.evaluation for name, shown in models.items()}
    first = next(iter(models.values()))
    evaluation, scores = first.evaluation, first.evaluation.scores
    sections = [
        Section("about", "What was evaluated", _about(evaluations)),
        *([_comparison(evaluations)] if len(models) > 1 else []),
        _scores(scores),
        _learning({name: shown.log for name, shown in models.items() if shown.log}),
        _subjects(evaluation),
        _thresholds(evaluation),
        _agreement(evaluation),
        _failures(evaluation, {name: m.robustness for name, m in models.items() if m.robustness is not None}),
        Section("frames", "Frames", gallery(evaluations, explainer, progress)),
        Section("card", "Model card", _card(evaluation)),
        Section("definitions", "What the numbers mean", _definitions()),
    ]
    shown = [section for section in sections if section.body]
    told = [*_warnings(evaluations), *(f"data: {warning}" for warning in audited)]
    title = f"{', '.join(models)} on {scores.data}"
    return _document(title, shown, told, scores.sononerve), [plot for section in shown for plot in section.plots]


def _warnings(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """Every warning once, with the models that it is about where that is not all of them."""
    found: dict[str, list[str]] = {}
    for name, evaluation in evaluations.items():
        for warning in evaluation.scores.warnings:
            found.setdefault(warning, []).append(name)
    every = len(evaluations)
    return [warning if len(names) == every else f"{', '.join(names)}: {warning}" for warning, names in found.items()]


def _document(title: str, sections: Sequence[Section], told: Sequence[str], version: str) -> str:
    links = "".join(f'<a href="#{section.key}">{escape(section.title)}</a>' for section in sections)
    parts = "".join(
        f'<section id="{section.key}"><h2>{escape(section.title)}</h2>{section.body}</section>' for section in sections
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body data-layer="both">
<h1>{escape(title)}</h1>
{warnings(list(told))}
<nav aria-label="Parts of this page">{links}</nav>
<main>{parts}</main>
<footer><p>Made by sononerve {escape(version)}. {NOT_MEDICAL}</p></footer>
<script>{SCRIPT}</script></body></html>
"""


def _about(evaluations: Mapping[str, Evaluation]) -> str:
    scores = next(iter(evaluations.values())).scores
    told = f"{scores.overall.frames} frames in {scores.overall.subjects} groups. Truth: {scores.truth}."
    ways = {name: found.scores.ways.mark for name, found in evaluations.items() if found.scores.ways.mark}
    told += "".join(f" {name} looked at each frame in more ways than one: {mark}." for name, mark in ways.items())
    splits = {name: found.scores.split for name, found in evaluations.items()}
    if len(set(splits.values())) == 1:
        told += f" Split: {scores.split}."
    else:
        told += "".join(f" Split of {name}: {split}." for name, split in splits.items())
    left_out = ", ".join(f"{count} {why}" for why, count in scores.left_out.items()) or "none"
    return f"<p>{escape(told)} Not scored: {escape(left_out)}.</p>"


def _comparison(evaluations: Mapping[str, Evaluation]) -> Section:
    models = {name: Scored(found.scores, found.results) for name, found in evaluations.items()}
    return Section("comparison", "Comparison", comparison_tables(models))


def _learning(logs: Mapping[str, Log]) -> Section:
    return _plotted("learning", "Learning curves", learning_curves(logs) if logs else [])


def _scores(scores: Scores) -> Section:
    intro = '<p>Means with <a href="#def-interval">95 % intervals</a>; the name of a score leads to what it means.</p>'
    return Section("scores", "Scores", intro + score_tables(scores))


def _subjects(evaluation: Evaluation) -> Section:
    scores = evaluation.scores
    grouped = scores.split.split(":")[0]
    classes = [name for name, found in scores.overall.classes.items() if found.with_class]
    numbers = {name: n for n, name in enumerate(scores.overall.classes, start=1)}
    plots = [
        dice_by_group(evaluation.results, scores.overall, name, numbers[name], grouped, scores.against)
        for name in classes
    ]
    section = _plotted("subjects", "Scores by subject", plots, wide=True)
    table = subject_table(scores.overall) if plots else ""
    return Section(section.key, section.title, section.body + table, section.plots)


def _thresholds(evaluation: Evaluation) -> Section:
    summary = evaluation.scores.overall
    points = {name: found.thresholds for name, found in summary.classes.items() if found.with_class}
    own = evaluation.predictor.bundle.config.postprocess.threshold
    plots: list[Plot | None] = [
        presence_roc(summary, evaluation.scores.truth == "boxes"),
        reliability_plot(evaluation.results, summary),
    ]
    if points:
        plots = [
            dice_against_threshold(points, own, evaluation.scores.against),
            precision_and_recall(points),
            *plots,
        ]
    section = _plotted("thresholds", "Thresholds and calibration", [plot for plot in plots if plot is not None])
    intro = f"<p>{linked('thresholds', 'What is marked at a threshold')} of these curves.</p>"
    return Section(section.key, section.title, intro + section.body if section.body else "", section.plots)


def _agreement(evaluation: Evaluation) -> Section:
    unit = "mm²" if evaluation.scores.unit == "mm" else "px"
    plots = [
        bland_altman(evaluation.results, name, number, found.area, unit, evaluation.scores.against)
        for number, (name, found) in enumerate(evaluation.scores.overall.classes.items(), start=1)
        if found.area is not None
    ]
    return _plotted("agreement", "Measurements", plots)


def _failures(evaluation: Evaluation, robustness: Mapping[str, Robustness]) -> Section:
    summary = evaluation.scores.overall
    known = any(found.conditions for found in summary.classes.values())
    against = evaluation.scores.against
    plots = [dice_against_condition(evaluation.results, summary, name, against) for name in TITLES] if known else []
    section = _plotted("failures", "Where it fails", plots)
    if not robustness:
        return section
    worse = _plotted("", "", [robustness_plot(robustness)], wide=True)
    return Section(section.key, section.title, section.body + worse.body, section.plots + worse.plots)


def _plotted(key: str, title: str, plots: Sequence[Plot], wide: bool = False) -> Section:
    """A section of plots; empty, and so not shown, where there is none."""
    figures = "".join(
        f"<figure>{plot.inline()}<figcaption>{escape(plot.title)}.</figcaption></figure>" for plot in plots
    )
    kind = "wide-plot" if wide else "plots"
    return Section(key, title, f'<div class="{kind}">{figures}</div>' if plots else "", tuple(plots))


def _card(evaluation: Evaluation) -> str:
    """The model's card up to its scores, for those of this page stand above; a line of Markdown's list is one here."""
    told = evaluation.predictor.bundle.files[CARD].decode("utf-8", "replace").split("\n## ")[0]
    paragraphs = [part.strip() for part in re.split(r"\n(?=- )|\n\n", told.removeprefix("# "))]
    return "".join(f"<p>{escape(part.removeprefix('- '))}</p>" for part in paragraphs if part)


def _definitions() -> str:
    entries = "".join(
        f'<dt id="def-{key}">{escape(name)}</dt><dd>{escape(text)}</dd>' for key, (name, text) in DEFINITIONS.items()
    )
    return f"<dl>{entries}</dl>"
