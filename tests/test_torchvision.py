"""A torchvision that does not fit PyTorch: made to import where only its operators are missing, else named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ASKS_FOR_OPERATORS = """
import torch
@torch.library.register_fake("torchvision::nms")
def nms(boxes, scores, threshold): ...
@torch.library.register_fake("torchvision::qnms")
def qnms(boxes, scores, threshold): ...
"""
BROKEN = "raise RuntimeError('built for another world')"
TRY = "from sononerve.torchvision import make_importable; make_importable(); import torchvision; print('here')"


def run_beside(torchvision: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Make a process with this torchvision, version 9.9, make it importable and import it."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(torchvision)
    (folder / "torchvision-9.9.dist-info").mkdir()
    (folder / "torchvision-9.9.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 9.9\n")
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", TRY], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


def test_one_whose_operators_cannot_be_loaded_is_made_to_import(tmp_path: Path) -> None:
    done = run_beside(ASKS_FOR_OPERATORS, tmp_path)
    assert done.stdout.strip() == "here", done.stderr


def test_one_that_does_not_import_even_so_is_named_with_both_versions_and_the_fix(tmp_path: Path) -> None:
    done = run_beside(BROKEN, tmp_path)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    for told in ("InputError", "torchvision 9.9", "torch 2.", "built for another world", "pip install"):
        assert told in last
