"""What is the fastest here is measured once, remembered, and then used where nothing else is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bright import bright_frame, even_files

from sononerve.frame import Frame
from sononerve.io.home import home
from sononerve.runtime import tuned as remembered
from sononerve.runtime.bundle import Bundle, write_bundle
from sononerve.runtime.engine import DEFAULT, EngineChoice
from sononerve.runtime.engines import installed_engines
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.tuned import remember, tuned
from sononerve.runtime.tuning import tune

Cli = Callable[..., tuple[int, str, str]]
SLOW = EngineChoice("onnxruntime", threads=1)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "home"))


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return Bundle.open(bundle)


def test_the_fastest_is_used_from_then_on(opened: Bundle) -> None:
    timed = tune(opened, Frame(bright_frame()))
    best = next(one.choice for one in timed if one.choice.mode == "latency")
    assert {one.choice.engine for one in timed} == set(installed_engines())
    assert min(one.ms for one in timed if one.choice.mode == "latency") == timed[0].ms
    choice = Predictor(opened).choice
    assert (choice.engine, choice.threads) == (best.engine, best.threads)


def test_what_is_told_counts_before_what_is_remembered(opened: Bundle) -> None:
    remember(opened, "latency", {"fp32": SLOW})
    assert tuned(opened, DEFAULT).engine == "onnxruntime"
    assert tuned(opened, EngineChoice(threads=2)) == EngineChoice("onnxruntime", threads=2)
    for engine in installed_engines():
        assert tuned(opened, EngineChoice(engine)) == EngineChoice(engine)


def test_it_holds_for_that_model_mode_and_precision(opened: Bundle, tmp_path: Path) -> None:
    remember(opened, "latency", {"fp32": SLOW})
    remember(opened, "throughput", {"int8": SLOW})
    write_bundle(tmp_path / "other", even_files(0.5))
    assert tuned(Bundle.open(tmp_path / "other"), DEFAULT) == DEFAULT
    assert tuned(opened, EngineChoice(mode="throughput")).engine is None
    assert tuned(opened, EngineChoice(precision="int8")).engine is None
    assert tuned(opened, EngineChoice(precision="int8", mode="throughput")).engine == "onnxruntime"


def test_another_machine_or_a_damaged_file_is_not_believed(opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(opened, "latency", {"fp32": SLOW})
    with monkeypatch.context() as patch:
        patch.setattr(remembered, "processor", lambda: "64 cores of another")
        assert tuned(opened, DEFAULT) == DEFAULT
    (home() / "tuned.json").write_text("{")
    assert tuned(opened, DEFAULT) == DEFAULT
    remember(opened, "latency", {"fp32": SLOW})
    assert tuned(opened, DEFAULT).engine == "onnxruntime"


def test_the_command_tells_and_remembers(cli: Cli, bundle: Path) -> None:
    status, out, _ = cli("tune", "--model", bundle, "--json")
    assert status == 0
    found = json.loads(out)
    assert {one["mode"] for one in found} == {"latency", "throughput"}
    assert all(one["ms"] > 0 for one in found)
    assert (home() / "tuned.json").is_file()


@pytest.mark.parametrize("engine", installed_engines())
def test_many_at_once_answer_as_one(bundle: Path, nerve: Predictor, engine: str, tmp_path: Path, cli: Cli) -> None:
    from sononerve.io.images import write_png

    for number in range(9):
        write_png(tmp_path / "in" / f"{number}.png", np.roll(bright_frame(), number, axis=1))
    rows = {}
    for mode in ("latency", "throughput"):
        status, out, _ = cli(
            "predict", tmp_path / "in", "--model", bundle, "--out", tmp_path / mode, "--engine", engine, "--mode", mode
        )
        assert status == 0
        assert "9 predicted" in out
        rows[mode] = (tmp_path / mode / "measurements.csv").read_text()
    assert rows["latency"] == rows["throughput"]
