"""Killed at any moment and started again, a training ends with the weights it would have had."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sononerve.data.module import VariedFrames
from sononerve.errors import InputError
from sononerve.io import atomic
from sononerve.train import plan as planning
from sononerve.train.callbacks import LAST, LOG, SaveState
from sononerve.train.checkpoint import SafetensorsIO
from sononerve.train.config import TrainConfig
from sononerve.train.plan import Plan
from sononerve.train.run import BUNDLE, CONFIG, PLAN, begin, train

Weights = dict[str, torch.Tensor]
Make = Callable[..., TrainConfig]
Read = Callable[[Path], Weights]
Cli = Callable[..., tuple[int, str, str]]

ROUNDS = 4
PATIENCE_S = 120.0
HARD = {"network": {"width": 4, "depth": 3, "dropout": 0.3, "deep_supervision": 1}, "steps": 10}
"""What could differ after a resumption: dropout draws, averaged weights, BatchNorm's buffers, the order of frames."""


TRAINING = """
import sys
from pathlib import Path
import torch
from sononerve.train import plan
from sononerve.train.config import TrainConfig
from sononerve.train.run import train
torch.set_num_threads(1)
plan.MOST_ROUNDS = 30
train(TrainConfig.read(Path(sys.argv[1])), sys.argv[2])
"""


class PulledPlugError(BaseException):
    """Ends a training where it stands, past every handler of errors."""


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of several steps, so that a training can be stopped between two saved states."""
    monkeypatch.setattr(planning, "MOST_ROUNDS", ROUNDS)


@pytest.fixture(scope="module")
def undisturbed(tiny: Make, bundled: Read, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """The weights of a training that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "MOST_ROUNDS", ROUNDS)
        train(tiny(**HARD), out)
    return bundled(out)


def assert_same(found: Weights, expected: Weights) -> None:
    """Every tensor, to the last bit."""
    assert found.keys() == expected.keys()
    different = [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])]
    assert not different


def rounds_of(run: Path) -> list[int]:
    """The rounds that the log tells of."""
    with (run / LOG).open(newline="") as file:
        return [int(row["round"]) for row in csv.DictReader(file)]


def wait_for_rounds(process: subprocess.Popen[str], run: Path, rounds: int) -> None:
    """Return when the log tells of so many rounds; fail where the process ends before."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if (run / LOG).is_file() and len(rounds_of(run)) >= rounds:
            return
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the training ended before it could be killed: {process.communicate()[1]}")
    process.kill()
    pytest.fail(f"no {rounds} rounds in {PATIENCE_S} s")


def test_a_training_killed_by_the_system_resumes_to_the_same_weights(
    tiny: Make, bundled: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MOST_ROUNDS", 30)
    config, run = tiny(**HARD | {"steps": 90}), tmp_path / "run"
    config.write(tmp_path / "asked.yaml")
    arguments = [sys.executable, "-c", TRAINING, str(tmp_path / "asked.yaml"), str(run)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        wait_for_rounds(process, run, rounds=3)
        process.kill()
    assert not (run / BUNDLE).exists()
    done = len(rounds_of(run))
    assert 3 <= done < Plan.read(run / PLAN).rounds

    train(config, run, resume=True)
    train(config, tmp_path / "undisturbed")
    assert_same(bundled(run), bundled(tmp_path / "undisturbed"))
    assert rounds_of(run) == list(range(1, 31))


def stop_in_the_middle_of_a_round(patch: pytest.MonkeyPatch) -> None:
    """At the 26th frame: in the third round of three steps of four frames."""
    seen = 0
    original = VariedFrames.__getitem__

    def pull(self: VariedFrames, key: tuple[int, int]) -> object:
        nonlocal seen
        seen += 1
        if seen == planned_frames + 26:
            raise PulledPlugError
        return original(self, key)

    planned_frames = 4  # the batch with which steps are timed
    patch.setattr(VariedFrames, "__getitem__", pull)


def stop_before_the_first_state(patch: pytest.MonkeyPatch) -> None:
    """After the first round, before anything of it is on disk."""

    def pull(*_: object) -> None:
        raise PulledPlugError

    patch.setattr(SaveState, "on_train_epoch_end", pull)


def stop_while_a_state_is_written(patch: pytest.MonkeyPatch) -> None:
    """In the second round's state: the file is there under its temporary name only."""
    states = 0
    original = Path.replace

    def pull(self: Path, target: Path) -> Path:
        nonlocal states
        states += Path(target).name == LAST
        if states == 2:
            raise PulledPlugError
        return original(self, target)

    patch.setattr(Path, "replace", pull)


def stop_between_a_state_and_its_row_in_the_log(patch: pytest.MonkeyPatch) -> None:
    """Right after the second round's state."""
    states = 0
    original = SafetensorsIO.save_checkpoint

    def pull(self: SafetensorsIO, *arguments: object, **named: object) -> None:
        nonlocal states
        original(self, *arguments, **named)
        states += 1
        if states == 2:
            raise PulledPlugError

    patch.setattr(SafetensorsIO, "save_checkpoint", pull)


def stop_before_the_plan(patch: pytest.MonkeyPatch) -> None:
    """Configuration and split are on disk, the plan is not."""

    def pull(self: Plan, path: Path) -> None:
        raise PulledPlugError

    patch.setattr(Plan, "write", pull)


def stop_while_the_bundle_is_written(patch: pytest.MonkeyPatch) -> None:
    """The training is over; the first file of the bundle is not whole."""
    original = atomic.write_bytes

    def pull(path: Path, content: bytes) -> None:
        if path.name == "weights.safetensors":
            raise PulledPlugError
        original(path, content)

    patch.setattr("sononerve.runtime.bundle.write_bytes", pull)


@pytest.mark.parametrize(
    "stop",
    [
        stop_before_the_plan,
        stop_before_the_first_state,
        stop_in_the_middle_of_a_round,
        stop_while_a_state_is_written,
        stop_between_a_state_and_its_row_in_the_log,
        stop_while_the_bundle_is_written,
    ],
    ids=lambda stop: stop.__name__.replace("stop_", "").replace("_", "-"),
)
def test_a_training_stopped_at_this_moment_resumes_to_the_same_weights(
    stop: Callable[[pytest.MonkeyPatch], None], tiny: Make, bundled: Read, undisturbed: Weights, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop(patch)
        with pytest.raises(PulledPlugError):
            train(tiny(**HARD), run)
    assert not (run / BUNDLE).exists()

    train(tiny(**HARD), run, resume=True)
    assert_same(bundled(run), undisturbed)
    assert rounds_of(run) == [1, 2, 3, 4]


def test_resuming_a_finished_training_gives_the_same_bundle_again(tiny: Make, bundled: Read, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(tiny(), run)
    before = {path.name: path.read_bytes() for path in (run / BUNDLE).iterdir()}
    log = (run / LOG).read_text()
    train(tiny(), run, resume=True)
    assert {path.name: path.read_bytes() for path in (run / BUNDLE).iterdir()} == before
    assert (run / LOG).read_text() == log


def test_a_training_that_stopped_early_does_not_go_on_when_resumed(tiny: Make, bundled: Read, tmp_path: Path) -> None:
    config, run = tiny(steps=12, patience=1), tmp_path / "run"
    train(config, run)
    rounds, weights = rounds_of(run), bundled(run)
    train(config, run, resume=True)
    assert rounds_of(run) == rounds
    assert_same(bundled(run), weights)


def test_resuming_with_other_settings_is_refused_and_names_what_differs(tiny: Make, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(tiny(), run)
    before = (run / PLAN).read_bytes()
    planned = TrainConfig.read(run / CONFIG)
    for name, value in {
        "seed": 1,
        "batch": 2,
        "steps": 5000,
        "rounds": 2,
        "keep": "best",
        "strength": 0.5,
        "precision": "bf16",
        "canvas": planned.canvas.model_copy(update={"longest": 64}),
        "network": planned.network | {"norm": "batch"},
    }.items():
        with pytest.raises(InputError, match=f"begun with another {name}; resume without changing it"):
            train(planned.model_copy(update={name: value}), run, resume=True)
    assert (run / PLAN).read_bytes() == before


@pytest.mark.parametrize("steps", [10, 12, None])
def test_steps_that_make_as_many_whole_rounds_are_no_other_steps(steps: int | None, tiny: Make, tmp_path: Path) -> None:
    run = tmp_path / "run"
    begin(tiny(steps=10), run)
    assert begin(tiny(steps=steps), run, resume=True).plan.steps == 12


def test_what_is_typed_beside_resume_is_compared_with_what_the_run_was_begun_with(
    tiny: Make, phantom_folder: Path, cli: Cli, tmp_path: Path
) -> None:
    run, file = tmp_path / "run", tmp_path / "asked.yaml"
    train = ("train", phantom_folder, "--out", run, "--plan-only")
    tiny().write(file)
    assert cli(*train, "--config", file)[0] == 0
    assert cli(*train, "--resume")[0] == 0
    assert cli(*train, "--resume", "--config", file)[0] == 0
    tiny(seed=7).write(file)
    for words, name in ((("--set", "steps=5000"), "steps"), (("--config", file), "seed")):
        status, _, error = cli(*train, "--resume", *words)
        assert status == 2
        assert f"begun with another {name}; resume without changing it" in error


def test_a_run_whose_configuration_tells_no_rounds_goes_on(tiny: Make, tmp_path: Path) -> None:
    """Runs were begun before their rounds stood there."""
    run = tmp_path / "run"
    begin(tiny(), run)
    old = TrainConfig.read(run / CONFIG).model_copy(update={"rounds": None})
    old.write(run / CONFIG)
    for config in (old, tiny()):
        assert begin(config, run, resume=True).plan == Plan.read(run / PLAN)


def test_a_run_that_was_begun_on_a_gpu_is_not_gone_on_with_where_there_is_none(tiny: Make, tmp_path: Path) -> None:
    begin(tiny(), tmp_path / "run")
    plan = Plan.read(tmp_path / "run" / PLAN)
    elsewhere = "mps" if torch.cuda.is_available() else "cuda"
    plan.model_copy(update={"choices": plan.choices.model_copy(update={"accelerator": elsewhere})}).write(
        tmp_path / "run" / PLAN
    )
    with pytest.raises(InputError, match=rf"was begun on a GPU \({elsewhere}\), which is not here; resume it where"):
        train(tiny(), tmp_path / "run", resume=True)


def test_a_folder_with_a_run_is_not_written_to_without_resume(tiny: Make, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    tiny().write(run / CONFIG)
    with pytest.raises(InputError, match="is there already; use --resume"):
        train(tiny(), run)
    assert [path.name for path in run.iterdir()] == [CONFIG]


@pytest.mark.parametrize("files", [("notes.txt",), (CONFIG, "notes.txt"), ("split.json",), (PLAN,)])
def test_a_folder_that_holds_no_run_is_not_gone_on_with(files: tuple[str, ...], tiny: Make, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="not a run's folder; use another --out"):
        begin(tiny(), tmp_path, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


def test_a_run_that_was_stopped_while_its_first_file_was_written_begins_anew(tiny: Make, tmp_path: Path) -> None:
    (tmp_path / f".{CONFIG}.1a2b3c4d.tmp").write_text("seed: ")
    assert begin(tiny(), tmp_path, resume=True).plan == Plan.read(tmp_path / PLAN)


def test_a_damaged_state_is_named_when_resumed(tiny: Make, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop_in_the_middle_of_a_round(patch)
        with pytest.raises(PulledPlugError):
            train(tiny(**HARD), run)
    state = (run / LAST).read_bytes()
    (run / LAST).write_bytes(state[: len(state) // 2])
    with pytest.raises(InputError, match=f"{LAST}: not a resume state"):
        train(tiny(**HARD), run, resume=True)
