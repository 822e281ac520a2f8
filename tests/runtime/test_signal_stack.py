"""A process in which models came and went still handles signals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bright import bright_files

from sononerve.runtime.bundle import write_bundle
from sononerve.runtime.engines import installed_engines

SCRIPT = """
import os, signal, sys
import numpy as np
from sononerve import Frame, Predictor
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.signal_stack import signal_stack
before = signal_stack()
models = []
for _ in range(2):
    models.append(Predictor.load(sys.argv[1], EngineChoice(sys.argv[2])))
    models[-1].predict(Frame(np.zeros((60, 60), np.uint8)))
    assert signal_stack() == before, signal_stack()
while models:
    del models[0]
signal.signal(signal.SIGTERM, lambda number, frame: print("handled", number))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("engine", installed_engines())
def test_a_signal_after_two_models_is_handled(tmp_path: Path, engine: str) -> None:
    write_bundle(tmp_path / "bundle", bright_files())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "bundle"), engine], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "handled 15"), done.stderr
