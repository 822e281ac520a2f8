"""Dice by subject, worst first."""

from __future__ import annotations

from collections.abc import Sequence

from ..scores import FrameResult, Summary
from .plot import INK, MOST_ELEMENTS, PALE, Plot, drawing, finished, scattered

NAMED = 20  # more names than this do not fit below the axis


def dice_by_group(
    results: Sequence[FrameResult], summary: Summary, name: str, number: int, grouped: str, against: str = ""
) -> Plot:
    """Dice of class ``name`` on every frame by its group, worst first; ``grouped``: what the groups are."""
    found = summary.classes[name]
    order = sorted(found.dice_by_subject, key=found.dice_by_subject.__getitem__)
    place = {group: x for x, group in enumerate(order)}
    rows = [(r.name, r.group, dice) for r in results if (dice := r.classes[name].dice) is not None]
    with drawing(10.8, 3.4) as (figure, ax):
        scattered(ax, [place[row[1]] for row in rows], [row[2] for row in rows], number, s=14, label="frame")
        means = [found.dice_by_subject[group] for group in order]
        many = len(order) > MOST_ELEMENTS
        ax.plot(range(len(order)), means, "_", color=INK, ms=9, label="mean of the group", rasterized=many)
        mean = found.scores["dice"]
        if mean is not None:
            ax.axhline(mean.value, color=INK, lw=0.8, label=f"mean of all frames {mean.value:.3f}")
            if mean.low is not None and mean.high is not None:
                ax.axhspan(mean.low, mean.high, color=INK, alpha=PALE, lw=0, label="its 95 % interval")
        ax.set(ylim=(-0.02, 1.02), ylabel=f"Dice{against} (0..1)", xlabel=f"group ({grouped}), worst first")
        ax.set_xticks(range(len(order)) if len(order) <= NAMED else [], order if len(order) <= NAMED else [])
        ax.set_title(f"{name}: Dice by group")
        ax.legend(loc="lower right", ncols=2)
        title = f"Dice of {name} on every frame by group, worst first"
        return finished(figure, f"dice_by_group_{number}", title, ("frame", "group", "dice"), rows)
