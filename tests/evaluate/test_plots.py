"""Plots of a report: their data, their ink, and that thousands of frames do not make them heavy."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest

from sononerve.evaluate.conditions import Conditions
from sononerve.evaluate.metrics import score_frame
from sononerve.evaluate.report.agreement_plots import bland_altman
from sononerve.evaluate.report.condition_plots import dice_against_condition
from sononerve.evaluate.report.learning_plot import learning_curves
from sononerve.evaluate.report.plot import INK, Plot
from sononerve.evaluate.report.subject_plots import dice_by_group
from sononerve.evaluate.report.threshold_plots import presence_roc
from sononerve.evaluate.scores import FrameResult, summarise


def results(count: int) -> list[FrameResult]:
    """Frames of a nerve found more or less, a fifth of them empty, in ``count / 3`` groups."""
    rng = np.random.default_rng(0)
    truth, found = np.zeros((10, 12), bool), np.zeros((10, 12), bool)
    truth[2:6, 2:8] = True
    scores = []
    for columns in range(1, 10):
        found[:] = False
        found[2:6, 2 : 2 + columns] = True
        scores.append(score_frame(truth, found, None))
    empty = score_frame(truth & ~truth, truth & ~truth, None)
    made = []
    for number in range(count):
        holds = number % 5 > 0
        condition = Conditions(*rng.random(6)) if holds else None
        scored = {"nerve": scores[rng.integers(len(scores))] if holds else empty}
        one = FrameResult(f"{number}.png", f"s{number // 3}", None, float(rng.random()), holds, scored, None)
        made.append(replace(one, conditions={"nerve": condition}))
    return made


def plots(count: int) -> list[Plot]:
    found = results(count)
    summary = summarise(found, ["nerve"])
    area = summary.classes["nerve"].area
    assert area is not None
    roc = presence_roc(summary)
    assert roc is not None
    return [
        dice_by_group(found, summary, "nerve", 1, "by subject"),
        dice_against_condition(found, summary, "size"),
        bland_altman(found, "nerve", 1, area, "px"),
        roc,
    ]


def test_thousands_of_frames_make_light_plots() -> None:
    for plot in plots(3000):
        assert len(plot.inline()) < 300_000, plot.name


def test_the_data_behind_a_plot_is_all_of_it() -> None:
    by_group, by_size, area, _ = plots(20)
    for plot in (by_group, by_size, area):
        rows = list(csv.DictReader(io.StringIO(plot.to_csv())))
        assert len(rows) == 16
        assert {row["frame"] for row in rows} == {f"{n}.png" for n in range(20) if n % 5}


def test_inside_a_page_ink_is_the_page_s_and_nothing_is_named_twice() -> None:
    page = "".join(plot.inline() for plot in plots(20))
    assert INK not in page
    assert "currentColor" in page
    assert "<metadata" not in page
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(names)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(names)


def test_equal_presences_make_a_straight_piece_as_the_area_counts_them() -> None:
    found = [replace(one, presence=0.5) for one in results(10)]
    roc = presence_roc(summarise(found, ["nerve"]))
    assert roc is not None
    assert roc.rows == ((0.5, 1.0, 1.0),)
    line = re.findall(r'd="M ([^"]+)" clip-path', roc.svg)[0]
    assert line.count("L") == 1  # from one corner to the other, and no step


@pytest.mark.parametrize("name", ["P$a_$", "5 $", "a_b^c", "ß é"])
def test_names_are_no_formulas(name: str) -> None:
    found = [replace(one, group=f"{name} {one.group}", classes={name: one.classes["nerve"]}) for one in results(10)]
    summary = summarise(found, [name])
    assert name in dice_by_group(found, summary, name, 1, "by subject").svg.replace("&#223;", "ß").replace(
        "&#233;", "é"
    )


def test_each_plot_is_drawn_the_same_again() -> None:
    assert [plot.svg for plot in plots(20)] == [plot.svg for plot in plots(20)]


def test_learning_curves_leave_out_what_is_not_known() -> None:
    logs = {"one": [{"step": 1.0, "loss": 2.0}, {"step": 2.0, "loss": 1.0, "tune_dice_nerve": 0.5}]}
    loss, dice = learning_curves(logs)
    assert loss.rows == (("one", 1.0, 2.0), ("one", 2.0, 1.0))
    assert dice.rows == (("one", "nerve", 2.0, 0.5),)


@pytest.mark.parametrize("quoted", ['a "b"', "<b>", "a & b"])
def test_a_title_with_any_sign_stays_one_attribute(quoted: str) -> None:
    plot = Plot("p", quoted, "<svg xmlns='x'></svg>", b"", (), ())
    told = re.findall(r'aria-label="([^"]*)"', plot.inline())
    assert len(told) == 1
    assert "<" not in told[0]
