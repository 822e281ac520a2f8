"""Measurements of the predicted mask beside those of the true one: Bland-Altman's plot of the cross-sectional area."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ..agreement import Agreement
from ..scores import FrameResult
from ..statistics import Interval
from .plot import INK, PALE, Plot, drawing, finished, scattered


def bland_altman(
    results: Sequence[FrameResult], name: str, number: int, found: Agreement, unit: str, against: str = ""
) -> Plot:
    """Predicted minus true area of class ``name`` over their mean, with bias and limits; ``unit``: mm² or px."""
    both = [r for r in results if r.classes[name].truth_area and r.classes[name].predicted_area]
    size = np.array([r.pixel_mm2 if unit == "mm²" and r.pixel_mm2 is not None else 1.0 for r in both])
    true = size * [r.classes[name].truth_area for r in both]
    predicted = size * [r.classes[name].predicted_area for r in both]
    with drawing() as (figure, ax):
        scattered(ax, (true + predicted) / 2, predicted - true, number, s=12, alpha=0.7)
        for line, told in ((found.bias, "bias"), (found.low, "limits of agreement"), (found.high, None)):
            _line(ax, line, told)
        ax.set(xlabel=f"mean of predicted and true area ({unit})", ylabel=f"predicted - true area ({unit})")
        ax.set_title(f"{name}: area{against}" if against else f"{name}: cross-sectional area")
        figure.legend(loc="outside lower center", ncols=2)
        rows = [(r.name, r.group, t, p) for r, t, p in zip(both, true.tolist(), predicted.tolist(), strict=True)]
        held = sum(r.classes[name].truth_area > 0 for r in results)
        seen = f"{len(both)} of the {held} frames that hold it"
        title = f"Bland-Altman plot of the area of {name}{against}, on {seen}; bands are 95 % intervals over groups"
        return finished(figure, f"area_{number}", title, ("frame", "group", "true_area", "predicted_area"), rows)


def _line(ax: Axes, at: Interval | None, label: str | None) -> None:
    if at is None:
        return
    ax.axhline(at.value, color=INK, lw=1, ls="-" if label == "bias" else "--", label=label)
    if at.low is not None and at.high is not None:
        ax.axhspan(at.low, at.high, color=INK, alpha=PALE / 2, lw=0)
