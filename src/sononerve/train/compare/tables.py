"""A comparison as tables, for a terminal and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...evaluate.report.table import CONTRAST_HEAD, CONTRAST_MEANING, contrast_row, told
from .comparison import Comparison, Line


@dataclass(frozen=True)
class Grid:
    """A table: its title, the heads of its columns, and its rows, whose first cell is a name."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grids(comparison: Comparison) -> list[Grid]:
    """Every table, what was trained first."""
    found = [
        _networks(comparison),
        _costs(comparison),
        *(_scores(comparison, name) for name in comparison.classes),
        _presence(comparison),
    ]
    if comparison.contrasts:
        rows = tuple(contrast_row(contrast) for contrast in comparison.contrasts)
        found.append(Grid(f"against {comparison.reference}", CONTRAST_HEAD, rows))
    return found


def head(comparison: Comparison) -> list[str]:
    """What is compared, on what."""
    folds, seeds = ({cell[i] for cell in comparison.cells} for i in (0, 1))
    return [
        f"{len(comparison.lines)} compared on {comparison.data}, test parts of {len(folds)} fold(s), {len(seeds)} "
        f"seed(s): {comparison.frames} frames in {comparison.groups} groups; split {comparison.split}"
    ]


def terminal(comparison: Comparison) -> RenderableType:
    """The tables for a terminal, warnings above them."""
    parts: list[RenderableType] = [Text(line, style="bold") for line in head(comparison)]
    parts += [Text(f"warning: {note}", style="yellow") for note in comparison.notes]
    for grid in grids(comparison):
        table = Table(*grid.head, title=grid.title, title_justify="left")
        for row in grid.rows:
            table.add_row(*(Text(cell) for cell in row))
        parts.append(table)
    return Group(*parts, Text(CONTRAST_MEANING))


def markdown(comparison: Comparison, picture: str) -> str:
    """The tables as a page of Markdown; ``picture``: its path beside the page."""
    lines = [f"# Comparison on {comparison.data}", "", *head(comparison), "", "```text", comparison.command, "```", ""]
    lines += [f"- {note}" for note in comparison.notes]
    lines += [f"- failed: {failure}" for failure in comparison.failures]
    for grid in grids(comparison):
        lines += ["", f"## {grid.title}", "", _row(grid.head), _row(["---"] * len(grid.head))]
        lines += [_row(row) for row in grid.rows]
    return "\n".join(
        [
            *lines,
            "",
            f"{CONTRAST_MEANING[0].upper()}{CONTRAST_MEANING[1:]}.",
            "",
            f"![score against latency]({picture})",
            "",
        ]
    )


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _networks(comparison: Comparison) -> Grid:
    rows = tuple(
        (
            line.label,
            _network(line),
            f"{line.parameters / 1e6:.2f}",
            line.canvas,
            f"{line.steps:.0f} x {line.batch}",
            line.precision,
            str(line.runs),
        )
        for line in comparison.lines
    )
    return Grid("networks", ("", "network", "M weights", "canvas", "steps x frames", "arithmetic", "runs"), rows)


def _costs(comparison: Comparison) -> Grid:
    rows = tuple(
        (
            line.label,
            f"{line.minutes:.1f}",
            f"{line.cores:.1f}",
            _size(line.training_gb),
            _size(line.prediction_gb),
            f"{line.latency.ms:.1f}",
            f"{line.latency.ratio:.2f}",
        )
        for line in comparison.lines
    )
    columns = ("", "min of training", "cores", "GB, training", "GB, prediction", "ms a frame", "ratio")
    return Grid("costs, in the mean of the runs", columns, rows)


def _network(line: Line) -> str:
    width = [f"width {line.width}"] if line.width else []
    return ", ".join([line.model, *(f"{name}={value}" for name, value in line.settings.items()), *width])


def _size(gigabytes: float | None) -> str:
    return "-" if gigabytes is None else f"{gigabytes:.2f}"


def _scores(comparison: Comparison, name: str) -> Grid:
    against = " against boxes" if comparison.truth == "boxes" else ""
    empty = "unboxed frames marked" if against else "empty frames marked"
    rows = []
    for line in comparison.lines:
        found = line.summary.classes[name]
        unit = f" {comparison.unit}"
        texts = (told(found.scores["dice"]), told(found.scores["surface_dice"]), told(found.scores["hd95"], unit))
        marked = (told(found.scores["outside"]), told(found.false_positive_rate))
        rows.append((line.label, *texts, told(found.missed), *marked))
    scores = (f"Dice{against}", f"surface Dice{against}", f"HD95{against}")
    columns = ("", *scores, "frames missed", "background marked", empty)
    return Grid(name, columns, tuple(rows))


def _presence(comparison: Comparison) -> Grid:
    """Scores of the whole frame."""
    boxes = comparison.truth == "boxes"
    rows = []
    for line in comparison.lines:
        summary = line.summary
        shares = (summary.pixels_inside_boxes, summary.boxes_touched) if boxes else ()
        rows.append((line.label, told(summary.presence_auroc), *(told(share) for share in shares)))
    area = "AUROC of boxed against unboxed" if boxes else "presence AUROC"
    return Grid(
        "whole frames", ("", area, *(("predicted pixels inside boxes", "boxes touched") if boxes else ())), tuple(rows)
    )
