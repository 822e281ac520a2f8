"""The arrows of the house: nothing downstream is imported upstream, and only training knows PyTorch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "sononerve"

ALL = {"io", "data", "models", "losses", "train", "runtime", "evaluate", "serve"}
ALLOWED = {
    "cli": ALL,
    "serve": {"runtime", "io"},
    "train": {"models", "losses", "data", "runtime", "evaluate", "io"},
    "evaluate": {"runtime", "data", "io"},
    "runtime": {"io"},
    "data": {"io"},
    "losses": {"models"},
    "models": set(),
    "io": set(),
}
"""What each part may import of the others. ``losses`` works on the models' `Output`; ``io.atomic`` is everyone's."""

FOR_ALL = {
    "frame",
    "overlay",
    "errors",
    "process",
    "progress",
    "settings",
    "verbs",
    "lightning",
    "torchvision",
    "__init__",
}
"""Modules beside the parts: they import none of them, and every part may import them."""

HEAVY = {"torch", "lightning", "monai"}
KNOW_TORCH = ("models/", "losses/", "train/", "data/module.py", "data/augment/", "lightning.py", "torchvision.py")

FILES = sorted(path for path in SOURCE.rglob("*.py"))
NAMES = [path.relative_to(SOURCE).as_posix() for path in FILES]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports at run time, anywhere in it, in full: ``sononerve.data.split``."""
    package = ["sononerve", *path.relative_to(SOURCE).parent.parts]
    for node in run_time_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            yield ".".join(module)
            yield from (".".join([*module, alias.name]) for alias in node.names)


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from run_time_nodes(node)


def part_of(module: str) -> str | None:
    """Which part of the house a module's full name lies in."""
    words = module.split(".")
    return words[1] if words[0] == "sononerve" and len(words) > 1 and words[1] in ALLOWED else None


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_follow_the_arrows(path: Path) -> None:
    home = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    allowed = set() if home in FOR_ALL else ALLOWED[home] | {home}
    if home == "__init__":  # the public names, imported when they are asked for
        allowed = ALL
    wrong = {module for module in imports(path) if part_of(module) not in {None, *allowed}}
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_pytorch_is_imported_where_networks_are_trained_and_nowhere_else(path: Path) -> None:
    name = path.relative_to(SOURCE).as_posix()
    found = {module.split(".")[0] for module in imports(path)} & HEAVY
    assert not found or name.startswith(KNOW_TORCH)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_lightning_comes_in_by_its_door(path: Path) -> None:
    """Imported elsewhere first, it ends with the error of a torchvision that does not fit."""
    found = {module.split(".")[0] for module in imports(path)} & {"lightning"}
    assert not found or path.relative_to(SOURCE).as_posix() == "lightning.py"


def test_every_part_of_the_house_has_its_arrows() -> None:
    parts = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert parts <= ALLOWED.keys()
    assert "sononerve.data.split" in set(imports(SOURCE / "evaluate" / "scope.py"))


IMPORTED = """
import sys
import numpy as np
import sononerve
predictor = sononerve.Predictor.load(sys.argv[1])
answer = predictor.predict(sononerve.Frame(np.full((30, 40), 100, np.uint8)))
assert answer.labels.sum() == 1200, answer.labels.sum()
assert "scipy" not in sys.modules, "a fifth of a second before the first mask"
sononerve.load_dataset, sononerve.split, sononerve.phantom.PhantomConfig, sononerve.InputError
from sononerve.evaluate.run import evaluate
from sononerve import cli
from sononerve.runtime import files
print(sorted({name.split(".")[0] for name in sys.modules} & {"torch", "lightning", "monai", "onnx", "safetensors"}))
"""


def test_segmenting_and_scoring_load_nothing_of_pytorch(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "runtime"))
    from bright import bright_files

    from sononerve.runtime.bundle import write_bundle

    write_bundle(tmp_path / "bundle", bright_files())
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(tmp_path / "bundle")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
