"""The folder of an evaluation: pictures, tables that can be recomputed, and every warning on the page."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from sononerve.data.dataset import Dataset
from sononerve.data.split import Split
from sononerve.errors import InputError
from sononerve.evaluate.report.folder import write_evaluation
from sononerve.evaluate.report.gallery import chosen, kinds
from sononerve.evaluate.report.table import table
from sononerve.evaluate.run import Evaluation, evaluate
from sononerve.runtime.bundle import Bundle

Make = Callable[..., Bundle]


@pytest.fixture
def evaluation(bright: Make, dataset: Dataset, division: Split) -> Evaluation:
    return evaluate(bright(division), dataset)


def rows(path: Path) -> list[dict[str, str]]:
    """A table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def shown(evaluation: Evaluation) -> str:
    """The table as a person sees it, without line breaks."""
    text = io.StringIO()
    Console(file=text, width=400).print(table(evaluation.scores))
    return text.getvalue()


def test_the_page_needs_nothing_beside_it_and_shows_every_frame(evaluation: Evaluation, tmp_path: Path) -> None:
    page = write_evaluation(evaluation, tmp_path / "out").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(address.startswith(("data:image/webp;base64,", "#")) for address in addresses)
    assert not re.findall(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", page.split("<script>")[0])
    for number, result in enumerate(evaluation.results):
        card = page.split(f'data-name="{result.name}"')
        assert len(card) == 2, number
    frames = [address for address in addresses if address.startswith("data:")]
    with Image.open(io.BytesIO(base64.b64decode(frames[0].split(",")[1]))) as picture:
        assert picture.size == (50, 40)


def test_every_score_leads_to_what_it_means(evaluation: Evaluation, tmp_path: Path) -> None:
    page = write_evaluation(evaluation, tmp_path / "out").read_text()
    named = set(re.findall(r'href="#(def-[^"]+)"', page))
    assert len(named) > 15
    assert named <= set(re.findall(r'id="(def-[^"]+)"', page))
    parts = re.findall(r"<nav.*?</nav>", page, re.DOTALL)[0]
    assert set(re.findall(r'href="#([^"]+)"', parts)) == set(re.findall(r'<section id="([^"]+)"', page))


def test_table_json_and_page_hold_every_warning_and_the_split(
    bright: Make, dataset: Dataset, leaky: Split, tmp_path: Path
) -> None:
    evaluation = evaluate(bright(leaky), dataset)
    page = unescape(write_evaluation(evaluation, tmp_path / "out").read_text())
    told = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert any("LEAKS" in warning for warning in evaluation.scores.warnings)
    for warning in evaluation.scores.warnings:
        assert warning in page
        assert warning in shown(evaluation)
        assert warning in told["warnings"]
    assert all("LEAKS" in text for text in (told["split"], page, shown(evaluation)))


def test_the_table_tells_what_was_not_scored(evaluation: Evaluation, division: Split) -> None:
    assert f"{len(division.fold(0).fit)} in the fit part" in shown(evaluation)


def test_scores_can_be_recomputed_from_the_frames(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(evaluation, tmp_path / "out")
    frames = rows(tmp_path / "out" / "frames.csv")
    told = json.loads((tmp_path / "out" / "scores.json").read_text())["overall"]["classes"]["nerve"]
    assert len(frames) == evaluation.scores.overall.frames
    for metric in ("dice", "iou", "accuracy", "hd95", "kaggle"):
        values = [float(row[metric]) for row in frames if row[metric]]
        assert sum(values) / len(values) == pytest.approx(told["scores"][metric]["value"], rel=1e-3)
    empty = [row for row in frames if row["truth_area"] == "0"]
    wrong = [row for row in empty if row["predicted_area"] != "0"]
    assert len(wrong) / len(empty) == pytest.approx(told["false_positive_rate"]["value"])
    assert all(row["dice"] == "" and row["present"] == "0" for row in empty)


def test_subjects_can_be_recomputed_from_the_frames(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(evaluation, tmp_path / "out")
    frames = rows(tmp_path / "out" / "frames.csv")
    for subject in rows(tmp_path / "out" / "subjects.csv"):
        mine = [float(row["dice"]) for row in frames if row["group"] == subject["group"] and row["dice"]]
        assert sum(mine) / len(mine) == pytest.approx(float(subject["mean_dice"]), rel=1e-3)


def test_frames_without_any_nerve_make_a_page_too(bright: Make, dataset: Dataset, tmp_path: Path) -> None:
    empty = dataset.select(i for i in range(len(dataset)) if i % 4 == 3)
    page = write_evaluation(evaluate(bright(), empty), tmp_path / "empty").read_text()
    assert "false positive" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_worst_and_best_are_by_dice_and_every_false_positive_is_one(bright: Make, dataset: Dataset) -> None:
    results = evaluate(bright(), dataset).results
    found = kinds(results, shown=2)
    of = {kind: [i for i, told in found.items() if kind in told] for kind in ("worst", "best", "median")}
    assert {kind: {results[i].dice for i in places} for kind, places in of.items()} == {
        "worst": {0.9},
        "best": {1.0},
        "median": {0.95},
    }
    wrong = [i for i, result in enumerate(results) if result.classes["nerve"].false_positive]
    assert wrong == [i for i, told in found.items() if "false positive" in told]


def test_of_too_many_frames_the_examples_and_all_ranks_are_shown(bright: Make, dataset: Dataset) -> None:
    results = evaluate(bright(), dataset).results
    few = chosen(results, most=16)
    assert len(few) == len(set(few)) == 16
    assert set(kinds(results)) <= set(few)
    assert sorted(chosen(results)) == list(range(len(results)))
    dice = [results[i].dice for i in chosen(results) if results[i].dice is not None]
    assert dice == sorted(dice)


def test_a_page_that_would_be_too_heavy_shows_fewer_frames_and_says_so(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_evaluation(evaluation, tmp_path / "whole").read_text()
    monkeypatch.setattr("sononerve.evaluate.report.gallery.MOST_BYTES", 1)
    monkeypatch.setattr("sononerve.evaluate.report.gallery.TRIED", 3)
    page = write_evaluation(evaluation, tmp_path / "light").read_text()
    count = len(evaluation.results)
    assert (whole.count('class="card"'), page.count('class="card"')) == (count, 3)
    assert "more frames are not shown" not in whole
    assert f"{count - 3} more frames are not shown: 3 are" in page


def test_nothing_is_replaced_unless_told(evaluation: Evaluation, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_evaluation(evaluation, out)
    (out / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already; use --overwrite"):
        write_evaluation(evaluation, out)
    assert (out / "note.txt").read_text() == "mine"
    write_evaluation(evaluation, out, overwrite=True)
    assert not (out / "note.txt").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_is_no_evaluation_is_never_replaced(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.png").write_bytes(b"x")
    with pytest.raises(InputError, match="is not an evaluation's folder and is not replaced"):
        write_evaluation(evaluation, tmp_path / "photos", overwrite=True)
    assert (tmp_path / "photos" / "holiday.png").read_bytes() == b"x"


def test_a_report_that_fails_leaves_nothing(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sononerve.evaluate.report.folder.report_page", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left"):
        write_evaluation(evaluation, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_names_from_outside_cannot_write_into_the_page(bright: Make, dataset: Dataset, tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    records = tuple(replace(r, annotator=script, subject=f"{script}{i // 4}") for i, r in enumerate(dataset.records))
    named = replace(dataset, records=records, classes=(script,))
    page = write_evaluation(evaluate(bright(classes=(script,), name="<b>"), named), tmp_path / "out").read_text()
    assert script not in page
    assert "<b>" not in page.split("<h1>")[1].split("</h1>")[0]
    assert page.count("<script>") == page.count("</script>") == 1
    assert f"probability of {escape(script)}" in page


def test_intervals_of_few_subjects_say_so_where_the_frames_have_many(
    bright: Make, dataset: Dataset, tmp_path: Path
) -> None:
    page = unescape(write_evaluation(evaluate(bright(), dataset), tmp_path / "out").read_text())
    told = "nerve: only 6 subjects: the interval is itself uncertain"
    assert told in page.split("<caption>All frames")[1].split("<caption>")[0]
    assert told in shown(evaluate(bright(), dataset))


def test_an_evaluation_that_cannot_be_replaced_is_still_there(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    before = write_evaluation(evaluation, out).read_text()

    def fail(*_: object, **__: object) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr("sononerve.evaluate.report.folder.report_page", fail)
    with pytest.raises(OSError, match="busy"):
        write_evaluation(evaluation, out, overwrite=True)
    assert (out / "index.html").read_text() == before


def test_a_notebook_shows_tables_warnings_and_what_a_number_means(bright: Make, dataset: Dataset) -> None:
    found = evaluate(bright(), dataset)
    told = found._repr_html_()
    assert all(escape(warning) in told for warning in found.scores.warnings)
    assert re.search(r'<abbr title="2 \|A ∩ B\|[^"]+">Dice</abbr></td><td>0\.950 \[', told)
    assert "href" not in told
