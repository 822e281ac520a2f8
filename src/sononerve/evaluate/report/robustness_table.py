"""Scores on worse frames as a table for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from ..robustness import SEVERITIES, Robustness
from ..statistics import Interval


def robustness_table(robustness: Robustness) -> RenderableType:
    """Mean Dice by corruption and severity, a table per class, with what is kept of the clean Dice."""
    return Group(*(_curves(robustness, name) for name in robustness.retained))


def _curves(robustness: Robustness, name: str) -> Table:
    clean = next(iter(robustness.curves.values())).points[name][0]
    dice, marked = _mean(clean.dice), _mean(clean.false_positive_rate)
    grid = Table(
        title=f"Dice of {name} on worse frames, severity 1 to {SEVERITIES}; on the frames themselves {dice}",
        title_justify="left",
        caption=f"kept: mean over severities, as a share of {dice}; over all corruptions "
        f"{_share(robustness.retained[name])}\nFP {SEVERITIES}: false-positive rate, empty frames, at severity "
        f"{SEVERITIES}; on the frames themselves {marked}",
        caption_justify="left",
    )
    grid.add_column("corruption", no_wrap=True)
    for column in (*map(str, range(1, SEVERITIES + 1)), "kept", f"FP {SEVERITIES}"):
        grid.add_column(column, justify="right")
    for corruption, curve in robustness.curves.items():
        worse = curve.points[name][1:]
        texts = [_mean(point.dice) for point in worse]
        grid.add_row(corruption, *texts, _share(curve.retained[name]), _mean(worse[-1].false_positive_rate))
    return grid


def _mean(interval: Interval | None) -> str:
    return _share(None if interval is None else interval.value)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
