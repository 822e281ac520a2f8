"""One page about trainings: compared on the same frames, with curves, gates and every plot as a file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from sononerve.data.split import Split
from sononerve.errors import InputError
from sononerve.runtime.bundle import Bundle
from sononerve.train.config import TrainConfig
from sononerve.train.report import names, report_runs
from sononerve.train.run import train

Cli = Callable[..., tuple[int, str, str]]


def test_runs_are_called_by_what_tells_them_apart() -> None:
    assert names([Path("runs/unet"), Path("runs/gan")]) == ["unet", "gan"]
    assert names([Path("a/run"), Path("b/run"), Path("other")]) == ["a/run", "b/run", "other"]
    with pytest.raises(InputError, match="is given twice"):
        names([Path("run"), Path("run")])


@pytest.fixture(scope="module")
def runs(gated: Bundle, tiny: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An Attention U-Net and a U-Net of the same split."""
    plain = tmp_path_factory.mktemp("plain") / "plain"
    train(tiny(), plain)
    return [gated.source if gated.source.name == "run" else gated.source.parent, plain]


@pytest.fixture(scope="module")
def reported(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the page and the plots."""
    folder = tmp_path_factory.mktemp("reported")
    report_runs(runs, folder / "report.html", figures=folder / "plots")
    return folder


def test_both_are_compared_on_all_held_out_frames(runs: list[Path], reported: Path) -> None:
    page = unescape((reported / "report.html").read_text())
    held_out = Split.read(runs[0] / "split.json").folds[0].test
    assert {name for name in held_out if f'data-name="{name}"' in page} == set(held_out)
    assert "Against run, on the same frames" in page
    assert '<option value="1">plain</option>' in page
    scores = json.loads((runs[1] / "scores.json").read_text())["overall"]["classes"]["nerve"]["scores"]["surface_dice"]
    assert "data: " in page.split("<nav")[0]  # the audit's warnings: near-duplicates, as phantom frames are
    assert f"{scores['value']:.3f} [{scores['low']:.3f}, {scores['high']:.3f}]" in page


def test_examples_show_gates_and_saliency_of_the_first(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    captions = re.findall(r"<figcaption>([^<]+)</figcaption>", page)
    assert sum(caption.startswith("gate 1") for caption in captions) >= 3
    assert sum(caption.startswith("saliency of nerve") for caption in captions) >= 3


def test_every_plot_is_there_three_times_with_its_data(runs: list[Path], reported: Path) -> None:
    stems = {path.stem for path in (reported / "plots").iterdir() if path.suffix == ".csv"}
    assert {"learning_loss", "learning_dice", "dice_against_threshold", "area_1", "dice_against_size"} <= stems
    for stem in stems:
        assert "<svg" in (reported / "plots" / f"{stem}.svg").read_text()
        with Image.open(reported / "plots" / f"{stem}.png") as picture:
            assert min(picture.size) > 500
        assert len((reported / "plots" / f"{stem}.csv").read_text().splitlines()) > 1
    examples = [f"{kind}_{number}.png" for kind in ("best", "median", "worst") for number in (1, 2, 3)]
    assert sorted(path.name for path in (reported / "plots").glob("*_[0-9].png") if path.stem not in stems) == examples
    with (reported / "plots" / "learning_loss.csv").open(newline="") as file:
        drawn = [(row["model"], float(row["loss"])) for row in csv.DictReader(file)]
    for name, run in zip(("run", "plain"), runs, strict=True):
        with (run / "log.csv").open(newline="") as file:
            assert [loss for who, loss in drawn if who == name] == [float(row["loss"]) for row in csv.DictReader(file)]


def test_what_cannot_be_reported_is_refused_in_one_sentence(
    cli: Cli, runs: list[Path], phantom_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    for arguments, fault in (
        ((runs[0] / "bundle", "--out", page), "does not say where its data lies; give it with --data"),
        ((*runs, "--out", page, "--spacing-mm", "1,1"), "are about --data"),
        ((tmp_path / "nothing", "--out", page), "nothing"),
    ):
        status, _, error = cli("report", *arguments)
        assert status == 2
        assert fault in error
        assert error.count("\n") == 1
    assert not page.exists()
    page.write_text("mine")
    assert "use --overwrite" in cli("report", runs[0], "--out", page)[2]
    assert page.read_text() == "mine"


def test_a_bundle_is_reported_on_given_data(cli: Cli, runs: list[Path], phantom_folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    status, said, _ = cli("report", runs[1] / "bundle", "--data", phantom_folder, "--no-explain", "--out", page)
    assert (status, said) == (0, f"page: {page}\n")
    assert "saliency" not in page.read_text().split("<script>")[0].lower()
