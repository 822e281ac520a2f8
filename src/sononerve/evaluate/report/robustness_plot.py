"""Dice on frames made worse, a panel per corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..robustness import Curve, Robustness
from .plot import PALE, STYLE, Plot, finished, tone

LINES = ("-", "--", ":", "-.")
COLUMNS = ("model", "corruption", "severity", "level", "class", "dice", "low", "high")


def robustness_plot(models: Mapping[str, Robustness]) -> Plot:
    """Dice by severity with its interval; ``models`` by what they are called.

    One model has a colour per class; several have a colour each, and a kind of line per class. Models are only
    comparable where they were scored on the same frames.
    """
    first = next(iter(models.values()))
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(12, 5.6), layout="constrained")
        axes = figure.subplots(2, -(-len(first.curves) // 2), sharey=True)
        for ax, (corruption, curve) in zip(axes.flat, first.curves.items(), strict=True):
            for number, (label, model) in enumerate(models.items(), start=1):
                _draw(ax, model.curves[corruption], label, number if len(models) > 1 else None)
            ax.set_title(corruption)
            ax.set_xlabel(f"severity, and {curve.parameter}", fontsize=8)
            ax.set_xticks(range(len(curve.levels) + 1), ["0\n", *_under(curve.levels)], fontsize=8)
            ax.set_ylim(-0.02, 1.02)
        for ax in axes[:, 0]:
            ax.set_ylabel("Dice (0..1)")
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        who = first.model if len(models) == 1 else f"{len(models)} models"
        title = f"{who} on {first.data}: Dice on worse frames; bands are 95 % intervals over groups"
        figure.suptitle(title)
        rows = [row for label, model in models.items() for row in _rows(label, model)]
        return finished(figure, "robustness", title, COLUMNS, rows)


def _under(levels: Sequence[float]) -> list[str]:
    return [f"{severity}\n{level:g}" for severity, level in enumerate(levels, start=1)]


def _draw(ax: Axes, curve: Curve, label: str, number: int | None) -> None:
    """The classes of one model, which is the ``number``-th of several or, with None, the only one."""
    for place, (name, points) in enumerate(curve.points.items(), start=1):
        dash = "-" if number is None else LINES[(place - 1) % len(LINES)]
        told = name if number is None else f"{label}, {name}"
        found = [(severity, point.dice) for severity, point in enumerate(points) if point.dice is not None]
        ax.plot(
            [x for x, _ in found],
            [dice.value for _, dice in found],
            dash,
            marker="o",
            ms=3,
            color=tone(number or place),
            label=told,
        )
        band = [(x, d.low, d.high) for x, d in found if d.low is not None and d.high is not None]
        x, low, high = ([row[side] for row in band] for side in range(3))
        ax.fill_between(x, low, high, color=tone(number or place), alpha=PALE, lw=0)


def _rows(label: str, model: Robustness) -> list[tuple[str | float | int | None, ...]]:
    return [
        (label, corruption, severity, level, name, point.dice.value, point.dice.low, point.dice.high)
        for corruption, curve in model.curves.items()
        for name, points in curve.points.items()
        for severity, (level, point) in enumerate(zip((None, *curve.levels), points, strict=True))
        if point.dice is not None
    ]
