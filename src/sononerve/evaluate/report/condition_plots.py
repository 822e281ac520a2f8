"""Where a model fails: Dice of every frame against one condition, with the means of thirds."""

from __future__ import annotations

from collections.abc import Sequence

from ..scores import FrameResult, Summary
from .plot import INK, Plot, drawing, finished, scattered, tone

TITLES = {
    "size": "size (share of the frame)",
    "depth": "depth (row of the centroid, 0 top to 1 bottom)",
    "off_centre": "off centre (0 middle to 1 side)",
    "brightness": "brightness (mean grey, 0..1)",
    "contrast": "contrast to noise",
    "sharpness": "sharpness (variance of the Laplacian / of greys)",
}


def dice_against_condition(results: Sequence[FrameResult], summary: Summary, condition: str, against: str = "") -> Plot:
    """Dice of each frame and class against ``condition``, a field of `Conditions`; bars are thirds with intervals."""
    rows = []
    with drawing(5.4, 3.2) as (figure, ax):
        for number, (name, found) in enumerate(summary.classes.items(), start=1):
            dependence = found.conditions.get(condition)
            if dependence is None:
                continue
            points = [
                (r.name, r.group, name, getattr(conditions, condition), dice)
                for r in results
                if (conditions := r.conditions.get(name)) is not None and (dice := r.classes[name].dice) is not None
            ]
            label = (
                name if dependence.correlation is None else f"{name}: rank corr. {dependence.correlation.value:+.2f}"
            )
            scattered(ax, [p[3] for p in points], [p[4] for p in points], number, s=9, alpha=0.45, label=label)
            for part in dependence.parts:
                mean, middle = part.dice, (part.lowest + part.highest) / 2
                ax.plot([part.lowest, part.highest], [mean.value] * 2, color=tone(number), lw=2.5)
                if mean.low is not None and mean.high is not None:
                    ax.plot([middle] * 2, [mean.low, mean.high], color=tone(number), lw=1)
            rows += points
        ax.set(ylim=(-0.02, 1.02), xlabel=TITLES[condition], ylabel=f"Dice{against} (0..1)")
        ax.set_title(f"Dice by {condition.replace('_', ' ')}")
        ax.legend(loc="lower right", labelcolor=INK)
        title = f"Dice{against} of every frame by {TITLES[condition]}; bars are means of thirds with 95 % intervals"
        columns = ("frame", "group", "class", condition, "dice")
        return finished(figure, f"dice_against_{condition}", title, columns, rows)
