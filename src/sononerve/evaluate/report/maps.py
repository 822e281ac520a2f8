"""One frame with the maps that explain its answer, as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ...frame import Frame
from .figures import STYLE, figure_png

COLUMNS = 3
PANEL_IN = 4.0
OPAQUE = 0.8  # how much of the brightest colour covers the tissue
SHARE_OF_WIDTH = 0.3  # that the scale bar takes at most


@dataclass(frozen=True)
class Map:
    """One value per pixel of a frame.

    ``name``: a word for files. ``title``: of its panel. ``unit``: what its colours mean. ``values``: float32
    ``(H, W)``, at least 0. ``full``: the value of the brightest colour, and of 65535 in a picture of 16 bit.
    """

    name: str
    title: str
    unit: str
    values: NDArray[np.float32]
    full: float = 1.0

    def sixteen_bit(self) -> NDArray[np.uint16]:
        """``(H, W)``: 0 is 0, 65535 is ``full``."""
        return np.asarray(np.rint((self.values / self.full).clip(0, 1) * 65535), np.uint16)


def maps_figure(frame: Frame, maps: Sequence[Map], title: str) -> bytes:
    """The frame alone, then each map over it with its colour bar, and a scale bar in each, as PNG."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        height, width = frame.shape
        rows = -(-(1 + len(maps)) // COLUMNS)
        panel_height = 0.8 + 0.65 * PANEL_IN * height / width
        figure = Figure(figsize=(COLUMNS * PANEL_IN, 0.4 + rows * panel_height), layout="constrained")
        axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for ax in axes[: 1 + len(maps)]:
            ax.imshow(frame.pixels, cmap="gray", vmin=0, vmax=255)
            ax.set(xlabel="column (px)", ylabel="row (px)")
            _scale_bar(ax, frame)
        axes[0].set_title("frame")
        for ax, shown in zip(axes[1:], maps, strict=False):
            heat = ax.imshow(shown.values, cmap=veil(), vmin=0, vmax=shown.full)
            ax.set_title(shown.title)
            bar = figure.colorbar(heat, ax=ax, label=shown.unit, fraction=0.046, pad=0.04)
            bar.ax.set_facecolor("black")  # as dark as tissue mostly is, behind colours that let it through
        for ax in axes[1 + len(maps) :]:
            ax.remove()
        figure.suptitle(title)
        return figure_png(figure)


def veil() -> ListedColormap:
    """Colours that let the tissue through where a map is low, and cover it where the map is high."""
    colours = mpl.colormaps["inferno"](np.linspace(0, 1, 256))
    colours[:, 3] = OPAQUE * np.sqrt(np.linspace(0, 1, 256))
    return ListedColormap(colours)


def _scale_bar(ax: Axes, frame: Frame) -> None:
    """As long as a round number of millimetres, of pixels where the spacing is unknown."""
    unit, step = ("px", 1.0) if frame.spacing_mm is None else ("mm", frame.spacing_mm[1])
    length = round_length(SHARE_OF_WIDTH * frame.shape[1] * step)
    edge = [withStroke(linewidth=3, foreground="black")]
    end, row = 0.95 * frame.shape[1], 0.95 * frame.shape[0]
    ax.plot([end - length / step, end], [row, row], color="white", lw=2, path_effects=edge)
    ax.text(end, 0.99 * row, f"{length:g} {unit}", color="white", ha="right", va="bottom", path_effects=edge)


def round_length(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most ``most``.

    >>> round_length(38.4), round_length(0.7)
    (20.0, 0.5)
    """
    power = 10.0 ** np.floor(np.log10(most))  # ten times too large where the logarithm was rounded up
    return float(max(step * power for step in (0.5, 1, 2, 5) if step * power <= most))
