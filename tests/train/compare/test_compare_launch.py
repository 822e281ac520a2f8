"""One command in a process of its own: what it took, and how it ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sononerve import __version__
from sononerve.errors import InputError
from sononerve.train.compare.launch import claimed, last_lines, launch, noted
from sononerve.train.compare.results import Result


def test_what_it_prints_and_takes_is_kept_over_calls(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "run.log"
    good = launch(["--version"], log)
    bad = launch(["train", str(tmp_path / "none")], log)
    assert (good.status, bad.status) == (0, 2)
    assert log.read_text().splitlines()[0] == __version__
    assert "--out" in last_lines(log)
    assert noted(log) == [good, bad]
    assert good.peak_bytes is not None
    assert 10**7 < good.peak_bytes < 5 * 10**8
    assert good.cpu_s > 0


def test_two_processes_do_not_work_on_one_run(tmp_path: Path) -> None:
    with (tmp_path / "run.log").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process still works on this run"):
            launch(["--version"], tmp_path / "run.log")


def test_who_waits_for_what_another_holds_gets_it_when_that_lets_go(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with claimed(tmp_path / "planning.lock", wait=True) as mine:
            order.append(f"second, {mine}")

    with claimed(tmp_path / "planning.lock") as mine:
        assert mine
        with claimed(tmp_path / "planning.lock") as theirs:
            assert not theirs
        other = threading.Thread(target=second)
        other.start()
        order.append("first")
    other.join(timeout=30)
    assert order == ["first", "second, True"]


def test_an_interrupt_ends_the_process_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    wait = os.wait4

    def interrupted(pid: int, options: int) -> object:
        monkeypatch.setattr(os, "wait4", wait)
        raise KeyboardInterrupt

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *told: object, **more: object) -> None:
            super().__init__(*told, **more)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(os, "wait4", interrupted)
    monkeypatch.setattr(subprocess, "Popen", Noted)
    with pytest.raises(KeyboardInterrupt):
        launch(["--version"], tmp_path / "run.log")
    assert started[0].returncode is not None
    assert len(noted(tmp_path / "run.log")) == 1


def test_a_comparison_in_processes_of_their_own_with_a_given_split(
    cli: Callable[..., tuple[int, str, str]], phantom_folder: Path, tmp_path: Path
) -> None:
    """The one comparison here that runs as a user's does: three processes, each with its log."""
    cli("split", phantom_folder, "--out", tmp_path / "split.json")
    settings = {"steps": 1, "batch": 4, "network.width": 4, "network.depth": 3}
    status, said, error = cli(
        "compare",
        phantom_folder,
        *("--models", "unet", "--split", tmp_path / "split.json", "--size", 32, "--precision", 32, "--threads", 1),
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
        *("--out", tmp_path / "out"),
    )
    assert status == 0, error
    assert "nerve" in said
    result = Result.read(tmp_path / "out" / "results" / "unet-fold0-seed0.json")
    assert result.machine.threads == 1
    assert 0 < (result.prediction.peak_bytes or 0) < (result.training.peak_bytes or 0) < 10**10
    assert 0 < result.training.steps_s < result.training.wall_s
    assert "planned: " in (tmp_path / "out" / "logs" / "unet-pace.log").read_text()
