"""What other thresholds would do: Dice, precision against recall, the ROC of presence, and reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..calibration import BINS
from ..scores import FrameResult, Summary
from ..thresholds import Operating
from .plot import INK, PALE, Plot, drawing, finished, tone

FINEST = 1e-6  # of all pixels; a bin of fewer is chance


def dice_against_threshold(classes: Mapping[str, Sequence[Operating]], own: float, against: str = "") -> Plot:
    """Mean Dice of each class, with its interval, where it is marked from ever higher probabilities on.

    ``own``: the model's threshold. ``against``: what the truth is, where it is no outlines.
    """
    rows = []
    with drawing() as (figure, ax):
        for number, (name, points) in enumerate(classes.items(), start=1):
            known = [(point.threshold, point.dice) for point in points if point.dice is not None]
            ax.plot([x for x, _ in known], [dice.value for _, dice in known], color=tone(number), label=name)
            band = [(x, dice.low, dice.high) for x, dice in known if dice.low is not None and dice.high is not None]
            x, low, high = ([row[side] for row in band] for side in range(3))
            ax.fill_between(x, low, high, color=tone(number), alpha=PALE, lw=0)
            rows += [(name, x, dice.value, dice.low, dice.high) for x, dice in known]
        ax.axvline(own, color=INK, lw=0.8, ls=":", label=f"the model's, {own:g}")
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="threshold of probability (0..1)", ylabel=f"Dice{against} (0..1)")
        ax.set_title("Dice against threshold")
        ax.legend(loc="lower center", ncols=3)
        title = "Mean Dice where a class is marked from this probability on; bands are 95 % intervals over groups"
        return finished(figure, "dice_against_threshold", title, ("class", "threshold", "dice", "low", "high"), rows)


def precision_and_recall(classes: Mapping[str, Sequence[Operating]]) -> Plot:
    """Precision against recall over the pixels of all frames, a point per threshold."""
    rows = []
    with drawing() as (figure, ax):
        for number, (name, points) in enumerate(classes.items(), start=1):
            known = [
                (p.recall, p.precision, p.threshold) for p in points if p.recall is not None and p.precision is not None
            ]
            ax.plot([r for r, _, _ in known], [p for _, p, _ in known], "-o", ms=3, color=tone(number), label=name)
            for recall, precision, threshold in known:
                if threshold in (0.1, 0.5, 0.9):
                    ax.annotate(f"{threshold}", (recall, precision), (4, 4), textcoords="offset points", fontsize=8)
            rows += [(name, threshold, recall, precision) for recall, precision, threshold in known]
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall of pixels (0..1)", ylabel="precision of pixels (0..1)")
        ax.set_title("Precision and recall")
        ax.legend(loc="lower left")
        title = "Precision against recall over the pixels of all frames, from threshold 0.05 to 0.95"
        return finished(figure, "precision_and_recall", title, ("class", "threshold", "recall", "precision"), rows)


def presence_roc(summary: Summary, boxes: bool = False) -> Plot | None:
    """The ROC curve of presence, or of boxed against unboxed frames; None where all are of one kind."""
    if not summary.presence_curve or summary.presence_auroc is None:
        return None
    cuts = summary.presence_curve
    with drawing() as (figure, ax):
        x, y = [0.0, *(cut.false_positives for cut in cuts)], [0.0, *(cut.sensitivity for cut in cuts)]
        ax.plot(x, y, color=tone(1))  # straight over frames of equal presence: ties count half in the area
        ax.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":")
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        empty, held = ("unboxed frames", "boxed frames") if boxes else ("frames without a nerve", "frames with one")
        ax.set(xlabel=f"false positives: {empty} (0..1)", ylabel=f"sensitivity: {held} (0..1)")
        ax.set_title(f"Presence of {'boxes' if boxes else 'a nerve'}: AUROC {summary.presence_auroc.value:.3f}")
        rows = [(cut.presence, cut.sensitivity, cut.false_positives) for cut in cuts]
        title = f"Share of {held} and of {empty} that pass, for every threshold of presence"
        return finished(figure, "presence_roc", title, ("presence", "sensitivity", "false_positives"), rows)


def reliability_plot(results: Sequence[FrameResult], summary: Summary) -> Plot | None:
    """How often a class is where its probability says so, near the class; None where nothing is near one."""
    rows = []
    with drawing() as (figure, ax):
        ax.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=":", label="as often as it says")
        for number, (name, found) in enumerate(summary.classes.items(), start=1):
            tables = [np.array(r.calibration[name].near) for r in results if name in r.calibration]
            if found.calibration is None or found.calibration.error_near is None:
                continue
            share, likely, true = np.sum(tables, axis=0).T
            kept = share > FINEST * share.sum()
            x, y = likely[kept] / share[kept], true[kept] / share[kept]
            label = f"{name}: error {found.calibration.error_near.value:.3f}"
            ax.plot(x, y, "-o", ms=3, color=tone(number), label=label)
            rows += [(name, a, b, c) for a, b, c in zip(x, y, share[kept] / share.sum(), strict=True)]
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"probability ({BINS} bins of 0..1)", ylabel="share that is the class")
        ax.set_title("Reliability near the class")
        ax.legend(loc="upper left")
        if not rows:
            return None
        title = "How often a pixel within 2 % of the diagonal of a class is that class, by its probability"
        return finished(figure, "reliability", title, ("class", "probability", "frequency", "share_of_pixels"), rows)
