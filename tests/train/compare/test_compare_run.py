"""Whole comparisons of tiny networks: what they leave, and what going on with one does not do again."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sononerve.data.dataset import load_dataset
from sononerve.data.split import Fold, Split, split
from sononerve.errors import InputError, TrainingError
from sononerve.train.compare.comparison import Comparison
from sononerve.train.compare.results import Result
from sononerve.train.compare.run import compare
from sononerve.train.config import TrainConfig
from sononerve.train.plan import Plan

Make = Callable[..., TrainConfig]
Cli = Callable[..., tuple[int, str, str]]
Calls = list[list[str]]

SETTINGS = {"network.width": 4, "network.depth": 3}
HOPELESS = "hopeless=unet:optimiser.learning_rate=1e9:optimiser.warmup=0:steps=20"


def small(tiny: Make, out: Path, *models: str, **told: object) -> Comparison:
    return compare(tiny(steps=2), models, out, settings=SETTINGS, **told)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def first_calls() -> Calls:
    """The commands that `finished` ran."""
    return []


@pytest.fixture(scope="module")
def finished(tiny: Make, in_process: Calls, first_calls: Calls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks on one fold, compared."""
    out = tmp_path_factory.mktemp("comparison") / "compared"
    small(tiny, out, "unet,deeper=unet:network.deep_supervision=1")
    first_calls += in_process
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path, in_process: Calls) -> Path:
    """The same, to go on with; what was run before is forgotten."""
    shutil.copytree(finished, tmp_path / "compared")
    in_process.clear()
    return tmp_path / "compared"


def trained(calls: Calls) -> set[str]:
    """The runs that were trained, not only planned."""
    made = [call for call in calls if call[0] == "train" and "--plan-only" not in call]
    return {Path(call[call.index("--out") + 1]).name for call in made}


def test_every_run_has_the_split_of_the_comparison_and_a_result_with_all_its_test_frames(finished: Path) -> None:
    division = Split.read(finished / "split.json")
    for label in ("unet", "deeper"):
        name = f"{label}-fold0-seed0"
        assert Split.read(finished / "runs" / name / "split.json") == division
        result = Result.read(finished / "results" / f"{name}.json")
        assert {frame.name for frame in result.frames} == set(division.folds[0].test)
        assert {frame.group for frame in result.frames} == {division.groups[n] for n in division.folds[0].test}
        assert (result.plan.steps, result.training.steps, result.plan.strength) == (2, 2, 1.0)
        assert result.prediction.latency_ms > 0
        pace, plan = (finished / place for place in (f"paces/{label}.yaml", f"runs/{name}/plan.json"))
        assert TrainConfig.read(pace).rounds == Plan.read(plan).rounds


def test_the_report_has_table_picture_and_json(finished: Path) -> None:
    told = json.loads((finished / "compare.json").read_text())
    assert [line["label"] for line in told["lines"]] == ["unet", "deeper"]
    assert told["lines"][0]["latency"] | {"ms": 0} == {"ms": 0, "ratio": 1.0, "frames": 8, "together": True}
    assert [(c["label"], c["against"]) for c in told["contrasts"]] == [("deeper", "unet")]
    assert "deeper=unet:network.deep_supervision=1" in told["command"]
    assert not {"--reference", "--scores"} & set(told["command"].split())
    page = (finished / "compare.md").read_text()
    assert "| deeper | unet, network.deep_supervision=1, width 4 |" in page
    assert (finished / "score_against_latency.png").read_bytes().startswith(b"\x89PNG")
    svg = (finished / "score_against_latency.svg").read_text()
    assert all(f">{word}<" in svg for word in ("unet", "deeper", "nerve", "Dice (0..1)"))


def test_all_runs_are_planned_before_one_is_trained(finished: Path, first_calls: Calls) -> None:
    assert ["--plan-only" in call for call in first_calls if call[0] == "train"] == [True, True, False, False]


def test_what_is_finished_is_not_trained_again(copied: Path, tiny: Make, in_process: Calls) -> None:
    before = {path: path.read_bytes() for path in sorted((copied / "results").iterdir())}
    comparison = small(tiny, copied, resume=True)
    assert in_process == []
    assert {path: path.read_bytes() for path in sorted((copied / "results").iterdir())} == before
    assert comparison.failures == ()


def test_a_training_that_ended_before_its_result_was_written_is_only_scored(
    copied: Path, tiny: Make, in_process: Calls
) -> None:
    gone = copied / "results" / "deeper-fold0-seed0.json"
    before = Result.read(gone)
    gone.unlink()
    small(tiny, copied, resume=True)
    assert trained(in_process) == set()
    assert Result.read(gone).frames == before.frames


def test_what_another_process_is_at_is_left_to_it(
    copied: Path, tiny: Make, in_process: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copied / "runs" / "deeper-fold0-seed0")
    (copied / "results" / "deeper-fold0-seed0.json").rename(copied / "elsewhere.json")
    with (copied / "logs" / "deeper-fold0-seed0.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        comparison = small(tiny, copied, resume=True)
    assert trained(in_process) == set()
    assert "deeper-fold0-seed0, left to the process that is at it" in capsys.readouterr().err
    assert [line.label for line in comparison.lines] == ["unet"]
    small(tiny, copied, resume=True)
    assert trained(in_process) == {"deeper-fold0-seed0"}


def test_of_two_that_are_added_later_the_one_that_fails_is_named_and_the_other_is_compared(
    copied: Path, cli: Cli, phantom_folder: Path, in_process: Calls
) -> None:
    models = ["--models", HOPELESS, "--models", "plain=unet:network.norm=batch"]
    status, said, error = cli("compare", phantom_folder, "--resume", "--out", copied, *models, "--json")
    assert status == 1
    assert trained(in_process) == {"hopeless-fold0-seed0", "plain-fold0-seed0"}
    assert "failed: hopeless-fold0-seed0: " in error
    assert "the loss is nan" in error
    told = json.loads(said)
    assert [line["label"] for line in told["lines"]] == ["unet", "deeper", "plain"]
    assert [contrast["label"] for contrast in told["contrasts"]] == ["deeper", "plain"]
    assert told["notes"][0] == "not finished, and not compared: hopeless-fold0-seed0"


def test_another_reference_and_no_training(copied: Path, tiny: Make, in_process: Calls) -> None:
    (copied / "results" / "unet-fold0-seed0.json").rename(copied / "unet.json")
    with pytest.raises(TrainingError, match="nothing to compare with unet"):
        small(tiny, copied, report_only=True)
    (copied / "unet.json").rename(copied / "results" / "unet-fold0-seed0.json")
    shutil.rmtree(copied / "runs")
    comparison = small(tiny, copied, report_only=True, reference="deeper", scores=("dice", "hd95"))
    assert in_process == []
    assert {contrast.label for contrast in comparison.contrasts} == {"unet"}
    assert comparison.command.endswith("--reference deeper --scores dice,hd95")
    assert not comparison.lines[0].latency.together
    assert comparison.notes[-1].startswith("ms a frame was measured after each training by itself")


def test_a_folder_that_is_there_is_not_gone_on_with_unasked_nor_otherwise(
    copied: Path, tiny: Make, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"is there already; use --resume"):
        small(tiny, copied, "unet")
    with pytest.raises(InputError, match="begun with another steps"):
        compare(tiny(steps=3), [], copied, settings=SETTINGS, resume=True)
    with pytest.raises(InputError, match=r"another split, of 1 fold"):
        small(tiny, copied, folds=3, resume=True)
    with pytest.raises(InputError, match=r"--reference vnet: is not compared; expected one of unet, deeper"):
        small(tiny, copied, reference="vnet", resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="not the folder of a comparison"):
        small(tiny, tmp_path / "other", "unet", resume=True)


@pytest.mark.parametrize("words", [("--resume",), ("--report-only",), ("--report-only", "--models", "unet")])
def test_without_a_comparison_there_is_nothing_to_go_on_with(
    words: tuple[str, ...], cli: Cli, phantom_folder: Path, tmp_path: Path
) -> None:
    status, _, error = cli("compare", phantom_folder, "--out", tmp_path / "mistyped", *words)
    assert status == 2
    assert "mistyped: holds no comparison to go on with" in error
    assert not (tmp_path / "mistyped").exists()


def test_a_split_of_other_data_leaves_no_folder(tiny: Make, phantom_folder: Path, tmp_path: Path) -> None:
    division = split(load_dataset(phantom_folder), folds=3)
    last = division.folds[2].test[0]
    other = division.model_copy(update={"hashes": division.hashes | {last: "0" * 64}})
    empty = Fold(fit=(), tune=(), test=())
    other.model_copy(update={"folds": (empty, empty, other.folds[2])}).write(tmp_path / "split.json")
    with pytest.raises(InputError, match=f"{last} is not the frame that was split under this name"):
        small(tiny, tmp_path / "out", "unet", split_file=tmp_path / "split.json")
    assert not (tmp_path / "out").exists()


def test_wrong_settings_leave_no_folder(tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--models odd: .*loss\.dise"):
        small(tiny, tmp_path / "out", "unet", "odd=unet:loss.dise=1")
    with pytest.raises(InputError, match="--models: names no network"):
        small(tiny, tmp_path / "out")
    assert not (tmp_path / "out").exists()
