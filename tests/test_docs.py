"""The documents are run: what they tell a reader to type works, what they link to is there, and the reference is true.

Blocks fenced ``sh`` run in a shell and ``python`` here, top to bottom, each page in a folder of its own; ``text`` and
``pycon`` are not run. A page that "goes on from the tutorial" starts in a copy of the folder that the tutorial left. To
every ``sononerve train`` and ``sononerve phantom`` in a shell block the small settings below are appended: of two equal
options the later counts, so ``--budget 30m`` becomes two steps.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from sononerve.data.layouts import LAYOUTS
from sononerve.models import MODELS

ROOT = Path(__file__).resolve().parents[1]
SMALL_TRAINING = "--set steps=2 --size 32 --batch 4 --set network.width=4 --precision 32 --workers 0"
SMALL_PHANTOM = "--subjects 6 --frames 4 --size 64"
SHELL = f"""
set -eu
sononerve() {{
  case "$1" in
    train) command sononerve "$@" {SMALL_TRAINING} ;;
    phantom) command sononerve "$@" {SMALL_PHANTOM} ;;
    *) command sononerve "$@" ;;
  esac
}}
"""
LANGUAGES = {"sh", "python", "text", "pycon"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
AFTER = "goes on from the [tutorial]"
TUTORIAL = ROOT / "docs" / "tutorial.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page it begins in."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(f[1], f[2], text.count("\n", 0, f.start(2)) + 1) for f in FENCE.finditer(text)]


def is_run(page: Path) -> bool:
    return any(block.language in ("sh", "python") for block in blocks(page))


def run_page(page: Path, folder: Path) -> None:
    """Run the page's blocks in ``folder``; the first that fails fails the test, with what it printed."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "sh":
            run_shell(block.code, folder, where)
        elif block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)


def run_shell(code: str, folder: Path, where: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", SHELL + code],
        cwd=folder,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},  # so little work only waits for a second thread
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{where} ends with status {done.returncode}:\n{code}\n{done.stdout}"


@pytest.fixture(scope="module")
def after_tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the tutorial has been run."""
    folder = tmp_path_factory.mktemp("tutorial")
    before = Path.cwd()
    os.chdir(folder)
    try:
        run_page(TUTORIAL, folder)
    finally:
        os.chdir(before)
    return folder


def test_tutorial_leaves_what_it_says(after_tutorial: Path) -> None:
    assert (after_tutorial / "frames" / "manifest.csv").is_file()
    assert (after_tutorial / "run" / "bundle" / "model.onnx").is_file()
    assert (after_tutorial / "evaluation" / "index.html").is_file()
    assert len(list((after_tutorial / "masks").glob("*.png"))) == 24


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page != TUTORIAL and is_run(page)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if AFTER in page.read_text(encoding="utf-8"):
        shutil.copytree(request.getfixturevalue("after_tutorial"), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(MODELS), mock.patch.dict(LAYOUTS):
        run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_is_whole(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall("^```", text, re.MULTILINE)) == 2 * len(blocks(page))
    assert {block.language for block in blocks(page)} <= LANGUAGES
    for target in LINK.findall(FENCE.sub("", text)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.is_file(), f"{page.name} links to {target}"
        assert linked.is_relative_to(ROOT)
        if anchor:
            assert anchor in {slug(heading) for heading in HEADING.findall(linked.read_text(encoding="utf-8"))}, target


def slug(heading: str) -> str:
    """The anchor that a heading gets where the pages are shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_reference_is_made_from_this_code() -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.differences(module.pages()) == [], "run make docs"


def test_statistics_quote_the_benchmark() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "interval_coverage.json").read_text(encoding="utf-8"))
    cells = {(row["world"], row["subjects"], row["method"]): row for row in found["rows"]}
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| (\w+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    assert len(quoted) == len(cells) / len({method for *_, method in cells})
    for world, subjects, coverage, plain, width in quoted:
        chosen = cells[world, int(subjects), "chosen"]
        assert coverage == f"{100 * chosen['coverage']:.1f}"
        assert width == f"{chosen['mean_width']:.3f}"
        assert plain == f"{100 * cells[world, int(subjects), 'percentile']['coverage']:.1f}"
