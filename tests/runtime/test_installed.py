"""Models that come with the package are called by their names, wherever a model is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bright import bright_files, bright_frame

from sononerve.errors import InputError
from sononerve.io.images import read_labels, write_png
from sononerve.runtime import installed
from sononerve.runtime.bundle import SCORES, Bundle, RuntimeConfig, zip_bundle
from sononerve.runtime.predictor import Predictor

Cli = Callable[..., tuple[int, str, str]]
SCORED = {"data": "frames", "overall": {"classes": {"nerve": {"scores": {"dice": {"value": 0.75}}}}}}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box with one model, ``steady``; the test's own folder is elsewhere."""
    files = bright_files() | {SCORES: json.dumps(SCORED).encode()}
    (tmp_path / "box").mkdir()
    zip_bundle(Bundle(Path("steady"), files, RuntimeConfig(classes=("nerve",))), tmp_path / "box" / "steady.sono")
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(installed, "FOLDER", tmp_path / "box")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "box"


def test_a_model_in_the_box_answers_to_its_name(box: Path, cli: Cli) -> None:
    write_png(Path("frame.png"), bright_frame())
    code, _, err = cli("predict", "frame.png", "--model", "steady", "--out", "masks")
    assert code == 0, err
    assert read_labels(Path("masks/frame.png")).sum() == 40


def test_without_a_model_the_usual_one_predicts_into_a_folder_here(box: Path, cli: Cli) -> None:
    write_png(Path("frame.png"), bright_frame())
    for verb in ("predict", "video"):
        code, _, err = cli(verb, "frame.png")
        assert (code, "--model: needed, for this sononerve comes without" in " ".join(err.split())) == (2, True)
    (box / "steady.sono").rename(box / "realtime.sono")
    code, _, err = cli("predict", "frame.png")
    assert code == 0, err
    assert read_labels(Path("predicted/frame.png")).sum() == 40


def test_what_lies_here_under_that_name_goes_first(box: Path) -> None:
    other = Bundle(Path("other"), bright_files(("nerve", "vessel")), RuntimeConfig(classes=("nerve", "vessel")))
    zip_bundle(other, Path("steady"))
    assert Predictor.load("steady").classes == ("nerve", "vessel")


def test_a_name_that_is_none_tells_those_in_the_box(box: Path) -> None:
    with pytest.raises(InputError, match=r"unsteady: no such bundle; .* or its zip, or steady"):
        Bundle.open("unsteady")


def test_the_box_is_listed_with_held_out_scores_and_the_card_is_printed(box: Path, cli: Cli) -> None:
    code, out, _ = cli("models", "--installed", "--json")
    size = (box / "steady.sono").stat().st_size
    assert (code, json.loads(out)) == (
        0,
        [{"model": "steady", "bytes": size, "data": "frames", "dice": {"nerve": 0.75}}],
    )
    code, out, _ = cli("models", "--installed")
    assert code == 0
    assert "nerve 0.750" in out
    assert cli("card", "--model", "steady")[1].strip() == "# bright"


def test_an_empty_box_is_said(box: Path, cli: Cli) -> None:
    (box / "steady.sono").unlink()
    assert cli("models", "--installed", "--json")[:2] == (0, "[]\n")
    code, out, _ = cli("models", "--installed")
    assert (code, "without trained models" in out) == (0, True)
