"""Figures: names beside their points, and in nobody's way."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from sononerve.evaluate.report.figures import Point, name_points, score_against_latency
from sononerve.evaluate.statistics import Interval

CROWD = [Point(f"network-{i}", 60.0 + i, Interval(0.5 + i / 500, 0.4, 0.6, 20, 40)) for i in range(8)]


def test_names_of_points_in_one_place_do_not_cover_each_other() -> None:
    figure = Figure(figsize=(6, 5))
    canvas = FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.set(xlim=(40, 120), ylim=(0.3, 0.7))
    name_points(ax, CROWD, canvas)
    canvas.draw()
    texts = [found for found in ax.get_children() if isinstance(found, Annotation)]
    assert [text.get_text() for text in texts] == [point.label for point in CROWD]
    boxes = [Text.get_window_extent(text) for text in texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    points = ax.transData.transform([(point.latency_ms, point.score.value) for point in CROWD])
    assert not any(box.contains(x, y) for box in boxes for x, y in points)


def test_the_same_scores_give_the_same_files() -> None:
    alone = {"nerve": [Point("unet", 50.0, Interval(0.5, None, None, 1, 4))]}
    assert score_against_latency(alone, "Dice", "one") == score_against_latency(alone, "Dice", "one")
