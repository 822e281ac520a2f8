"""One page about trainings: compared on the same frames, with curves, gates and every plot as a file."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from sononerve.data.phantom import PhantomConfig, write
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


def test_an_ensemble_is_reported_on_other_data_without_maps_of_its_members(
    cli: Cli, runs: list[Path], tmp_path: Path
) -> None:
    assert cli("ensemble", *runs, "--out", tmp_path / "both")[0] == 0
    other = write(PhantomConfig(subjects=2, frames=2, height=64, width=64, vessels=False, seed=5), tmp_path / "other")
    status, _, error = cli("report", tmp_path / "both", "--data", other, "--out", tmp_path / "report.html")
    assert status == 0, error
    page = (tmp_path / "report.html").read_text()
    assert page.count('class="card"') == 4
    assert "What the network looked at" not in page


def test_data_that_has_grown_is_reported_with_a_word_about_its_split(
    cli: Cli, runs: list[Path], phantom_folder: Path, tmp_path: Path
) -> None:
    run, grown = tmp_path / "run", tmp_path / "frames"
    shutil.copytree(runs[1], run)
    shutil.copytree(phantom_folder, grown)
    more = write(PhantomConfig(subjects=1, frames=1, height=64, width=64, vessels=False, seed=7), tmp_path / "more")
    for part in ("images", "masks"):
        (file,) = (more / part).iterdir()
        shutil.copy(file, grown / part / "new.png")
    with (grown / "manifest.csv").open("a") as table:
        header = (grown / "manifest.csv").read_text().splitlines()[0].split(",")
        row = {"image": "images/new.png", "mask": "masks/new.png", "subject": "new"}
        table.write(",".join(row.get(name, "") for name in header) + "\n")
    config = (run / "config.yaml").read_text().replace(str(phantom_folder), str(grown))
    (run / "config.yaml").write_text(config)
    status, _, error = cli("report", run, "--no-explain", "--out", tmp_path / "report.html")
    assert status == 0, error
    assert "split is of other frames by name" in unescape((tmp_path / "report.html").read_text())


def test_a_bundle_is_reported_on_given_data(cli: Cli, runs: list[Path], phantom_folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    status, said, _ = cli("report", runs[1] / "bundle", "--data", phantom_folder, "--no-explain", "--out", page)
    assert (status, said) == (0, f"page: {page}\n")
    assert "saliency" not in page.read_text().split("<script>")[0].lower()
