"""How large each nerve is over the time of a clip."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from .plot import Cell, Plot, drawing, finished, tone

SHORTEST = 0.05  # of the frames; what is seen for less is drawn, but not named
LINES = ("-", "--", ":", "-.")
MOST_NAMED = 8


def area_over_time(table: Path, title: str, classes: Sequence[str]) -> Plot | None:
    """The cross-sectional area of each followed region, from a recording's table; None where nothing was found.

    In mm² where every area is known in it, else in pixels. A line is broken where the region was not seen. Regions are
    named where few are seen for long; else their classes are. ``classes``: of the model, in its order, which tells the
    colours.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [row for row in rows if row["class"]]
    if not found:
        return None
    column = "area_mm2" if all(row["area_mm2"] for row in found) else "area_px"
    unit = "mm²" if column == "area_mm2" else "px"
    frames = list(dict.fromkeys(int(row["frame"]) for row in rows))
    place = {frame: i for i, frame in enumerate(frames)}
    with drawing(7.5, 3.8) as (figure, ax):
        tracks = _by_track(found)
        long = {which for which, its in tracks.items() if len(its) >= SHORTEST * len(frames)}
        by_track = 0 < len(long) <= MOST_NAMED
        for (name, track), its in tracks.items():
            times, areas = _with_gaps(its, column, place)
            numbers = [number for other, number in tracks if other == name]
            dash = LINES[numbers.index(track) % len(LINES)]
            label = f"{name} {track}" if by_track and (name, track) in long else None
            ax.plot(times, areas, dash, marker=".", ms=2, color=tone(classes.index(name) + 1), lw=1.2, label=label)
        ax.set(xlabel="time (s)", ylabel=f"area ({unit})", title=f"Area of each region, {title}", ylim=(0, None))
        for number, name in enumerate(classes, start=1):
            if not by_track and any(of == name for of, _ in tracks):
                ax.plot([], [], color=tone(number), label=name)
        figure.legend(loc="outside lower center", ncols=4)
        data: list[tuple[Cell, ...]] = [
            (row["class"], int(row["track"]), float(row["time_s"]), float(row[column])) for row in found
        ]
        columns = ("class", "track", "time_s", column)
        return finished(figure, "area", f"Area of each region over the time of {title}", columns, data)


def _by_track(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, int], list[Mapping[str, str]]]:
    tracks: dict[tuple[str, int], list[Mapping[str, str]]] = {}
    for row in rows:
        tracks.setdefault((row["class"], int(row["track"])), []).append(row)
    return tracks


def _with_gaps(
    rows: Sequence[Mapping[str, str]], column: str, place: Mapping[int, int]
) -> tuple[list[float], list[float]]:
    """Times and areas, with a hole where frames in between do not have the region."""
    times, areas = [], []
    for i, row in enumerate(rows):
        if i and place[int(row["frame"])] != place[int(rows[i - 1]["frame"])] + 1:
            times.append(float(row["time_s"]))
            areas.append(float("nan"))
        times.append(float(row["time_s"]))
        areas.append(float(row[column]))
    return times, areas
