"""A frame beside its masks, and networks by score and latency, as pictures on white in both themes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from ...frame import Sample, Segmentation
from ...overlay import colour, overlay
from ..statistics import Interval

STYLE: dict[str, object] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.titlesize": 10,
    "svg.hashsalt": "sononerve",  # else every drawing has other names inside
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is one
}
DPI = 130


MISSED, ADDED = (255, 92, 92), (79, 195, 247)


@dataclass(frozen=True)
class Point:
    """One network in `score_against_latency`: milliseconds a frame, and a score with its interval."""

    label: str
    latency_ms: float
    score: Interval


def figure_png(figure: Figure) -> bytes:
    """The drawn figure as PNG."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def comparison(sample: Sample, answer: Segmentation, title: str) -> bytes:
    """One frame as PNG: as it is, with truth, with prediction, how they differ, and the first class's probability.

    Missed pixels are red, those marked too much light blue.
    """
    assert sample.labels is not None
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        height, width = sample.frame.shape
        figure = Figure(figsize=(15, 0.9 + 3.0 * height / width), layout="constrained")
        axes = figure.subplots(1, 5, sharex=True, sharey=True)
        panels: list[tuple[str, NDArray[np.uint8]]] = [
            ("frame", sample.frame.pixels),
            ("truth", overlay(sample.frame.pixels, sample.labels)),
            ("prediction", overlay(sample.frame.pixels, answer.labels)),
            ("missed (red), too much (blue)", _differing(sample.frame.pixels, sample.labels, answer.labels)),
        ]
        for ax, (name, picture) in zip(axes, panels, strict=False):
            ax.imshow(picture, cmap="gray", vmin=0, vmax=255)
            ax.set_title(name)
            ax.set_xlabel("column (px)")
        heat = axes[4].imshow(answer.probabilities[0], cmap="magma", vmin=0, vmax=1)
        axes[4].set_title(f"probability of {answer.classes[0]}")
        axes[4].set_xlabel("column (px)")
        axes[0].set_ylabel("row (px)")
        figure.colorbar(heat, ax=axes[4], label="probability", shrink=0.85)
        figure.suptitle(title)
        return figure_png(figure)


def _differing(pixels: NDArray[np.uint8], truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame with every pixel coloured whose label is wrong."""
    drawn = np.repeat(pixels[..., None], 3, axis=2)
    wrong = truth != predicted
    drawn[wrong & (predicted > 0)] = ADDED
    drawn[wrong & (truth > 0)] = MISSED
    return drawn


def score_against_latency(panels: Mapping[str, Sequence[Point]], score: str, title: str) -> dict[str, bytes]:
    """A score with its interval over the time that a frame takes, a panel per class, as ``png`` and ``svg``."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(1 + 5.5 * len(panels), 4.6), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for label, (ax, (name, points)) in enumerate(zip(axes, panels.items(), strict=True), start=1):
            _scatter(ax, points, tuple(channel / 255 for channel in colour(label)))
            ax.set(title=name, xlabel="time for one frame (ms, log scale)", ylabel=f"{score} (0..1)")
        figure.suptitle(title)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the places of the names hold for the layout as it is now
        for ax, points in zip(axes, panels.values(), strict=True):
            name_points(ax, points, canvas)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        return {"png": figure_png(figure), "svg": buffer.getvalue()}


def _scatter(ax: Axes, points: Sequence[Point], tone: tuple[float, ...]) -> None:
    for point in points:
        low, high = _bounds(point.score)
        ax.plot([point.latency_ms] * 2, [low, high], color="0.6", lw=1)
        ax.plot(point.latency_ms, point.score.value, "o", color=tone, ms=6)
    times = [point.latency_ms for point in points]
    ax.set_xscale("log")
    ax.set_xlim(min(times) / 1.4, max(times) * 2)
    wide = max(times) / min(times) > 5
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else tuple(range(1, 10))))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="y", color="0.92")


def _bounds(interval: Interval) -> tuple[float, float]:
    low, high = interval.low, interval.high
    return interval.value if low is None else low, interval.value if high is None else high


def name_points(ax: Axes, points: Sequence[Point], canvas: FigureCanvasAgg) -> None:
    """Write each name beside its point, at the nearest place where it covers no point, interval or other name."""
    taken = []
    for point in points:
        ends = ax.transData.transform([(point.latency_ms, bound) for bound in _bounds(point.score)])
        taken.append(Bbox([ends[0] - 4, ends[1] + 4]))
    for point in points:
        place = (point.latency_ms, point.score.value)
        line = {"arrowstyle": "-", "color": "0.6", "lw": 0.6, "shrinkA": 0, "shrinkB": 4}
        text = ax.annotate(point.label, place, (8, 0), textcoords="offset points", va="center", arrowprops=line)
        taken.append(_free_place(text, ax.bbox, taken, canvas))


def _free_place(text: Annotation, inside: Bbox, taken: Sequence[Bbox], canvas: FigureCanvasAgg) -> Bbox:
    """Move the text right or left of its point and then ever higher or lower, until it is in nobody's way."""
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    places = [(x, sign * away) for away in range(0, 200, 5) for x in (8, -8) for sign in (1, -1)]
    for x, y in [*places, places[0]]:  # where all is full, beside the point
        text.set_position((x, y))
        text.set_horizontalalignment("left" if x > 0 else "right")
        text.update_positions(renderer)
        box = Text.get_window_extent(text, renderer)  # the annotation's own has the line to the point in it
        within = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
        if within and not any(box.overlaps(other) for other in taken):
            break
    return box
