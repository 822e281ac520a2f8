"""Every figure of an evaluation, in one style: white ground in both themes, units on every axis."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...frame import Sample, Segmentation
from ...io.overlay import colour, overlay
from ..scores import FrameResult, Summary

STYLE: dict[str, object] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.titlesize": 10,
}
DPI = 130


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def comparison(sample: Sample, answer: Segmentation, title: str) -> bytes:
    """One frame as PNG: as it is, with the truth, with the prediction, and the probability of the first class."""
    assert sample.labels is not None
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        height, width = sample.frame.shape
        figure = Figure(figsize=(12, 0.9 + 3.0 * height / width), layout="constrained")
        axes = figure.subplots(1, 4, sharex=True, sharey=True)
        panels: list[tuple[str, NDArray[np.uint8]]] = [
            ("frame", sample.frame.pixels),
            ("truth", overlay(sample.frame.pixels, sample.labels)),
            ("prediction", overlay(sample.frame.pixels, answer.labels)),
        ]
        for ax, (name, picture) in zip(axes, panels, strict=False):
            ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
            ax.set_title(name)
            ax.set_xlabel("column (px)")
        heat = axes[3].imshow(answer.probabilities[0], cmap="magma", vmin=0, vmax=1)
        axes[3].set_title(f"probability of {answer.classes[0]}")
        axes[3].set_xlabel("column (px)")
        axes[0].set_ylabel("row (px)")
        figure.colorbar(heat, ax=axes[3], label="probability", shrink=0.85)
        figure.suptitle(title)
        return _png(figure)


def dice_by_subject(summary: Summary, results: Sequence[FrameResult], grouped: str) -> bytes:
    """Dice of every frame by its group, worst group first, with the mean of all and its interval, as PNG."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(12, 2.8 * len(summary.classes)), layout="constrained")
        axes = figure.subplots(len(summary.classes), 1, squeeze=False)[:, 0]
        for label, (ax, (name, found)) in enumerate(zip(axes, summary.classes.items(), strict=True), start=1):
            order = sorted(found.dice_by_subject, key=found.dice_by_subject.__getitem__)
            place = {group: x for x, group in enumerate(order)}
            points = [(place[r.group], r.classes[name].dice) for r in results if r.classes[name].dice is not None]
            tone = tuple(channel / 255 for channel in colour(label))
            ax.scatter([x for x, _ in points], [y for _, y in points], s=14, color=tone, label="one frame")
            ax.plot(range(len(order)), [found.dice_by_subject[g] for g in order], "k_", ms=9, label="mean of the group")
            mean = found.scores["dice"]
            if mean is not None:
                ax.axhline(mean.value, color="0.4", lw=1, label=f"mean of all frames {mean.value:.3f}")
                if mean.low is not None and mean.high is not None:
                    ax.axhspan(mean.low, mean.high, color="0.85", zorder=0, label="its 95 % interval")
            ax.set(
                ylim=(-0.02, 1.02),
                ylabel="Dice (0..1)",
                title=f"{name}: Dice by group",
                xlabel=f"group ({grouped}), worst first",
            )
            ax.set_xticks(range(len(order)), order if len(order) <= 20 else [""] * len(order))
            ax.legend(loc="lower right", fontsize=8, ncols=2)
        return _png(figure)
