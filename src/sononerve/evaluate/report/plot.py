"""One plot with the data behind it: as SVG for a page in light and dark, as SVG and PNG for a paper, as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...overlay import colour

INK = "#101112"  # as good as black on paper; on a page it becomes the colour of the text
PALE = 0.15
MOST_ELEMENTS = 1000
STYLE: dict[str, object] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: searchable, and in the page's own fonts
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,  # a dollar in a name is one
}
DPI = 200
METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)  # who made it, in addresses that a page must not name
OWN_NAMES = re.compile(r' id="[A-Za-z][\w.]*_\d+"')  # of matplotlib's groups, the same in every drawing
PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)

Cell = float | int | str | None


@dataclass(frozen=True)
class Plot:
    """A finished drawing.

    ``name``: a word for files. ``title``: one sentence on what is seen. ``svg`` for a file of its own; ``png`` on
    white. ``columns`` and ``rows``: the data drawn.
    """

    name: str
    title: str
    svg: str
    png: bytes
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def inline(self) -> str:
        """The SVG for inside of a page: in the colour of its text, and named for who cannot see it."""
        drawn = OWN_NAMES.sub("", METADATA.sub("", PROLOGUE.sub("", self.svg))).replace(INK, "currentColor")
        return drawn.replace("<svg ", f'<svg role="img" aria-label="{_quoted(self.title)}" ', 1)

    def to_csv(self) -> str:
        """The data as CSV; an unknown value is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if cell is None else cell for cell in row] for row in self.rows])
        return text.getvalue()


@contextmanager
def drawing(width: float = 5.4, height: float = 3.8) -> Iterator[tuple[Figure, Axes]]:
    """A figure in the report's style with one pair of axes, sizes in inches."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()


def finished(figure: Figure, name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Plot:
    """The drawing as a `Plot`; called inside of `drawing`, whose style the files keep."""
    FigureCanvasAgg(figure)
    pixels, text = io.BytesIO(), io.StringIO()
    figure.savefig(pixels, format="png", dpi=DPI, facecolor="white")
    with mpl.rc_context({"svg.hashsalt": name}):  # names inside differ between the drawings of a page, never by chance
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return Plot(name, title, text.getvalue(), pixels.getvalue(), tuple(columns), tuple(tuple(row) for row in rows))


def scattered(ax: Axes, x: Sequence[float], y: Sequence[float], number: int, **how: object) -> None:
    """Points in the colour of class or model ``number``; a great many are one picture, and no thousand elements."""
    ax.scatter(x, y, color=tone(number), rasterized=len(x) > MOST_ELEMENTS, **how)  # type: ignore[arg-type]


def tone(number: int) -> tuple[float, ...]:
    """The colour of class or model 1, 2, ... as 0..1."""
    return tuple(channel / 255 for channel in colour(number))


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
