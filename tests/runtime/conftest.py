"""Bundles on disk whose answers are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from bright import bright_files

from sononerve.runtime.bundle import write_bundle
from sononerve.runtime.predictor import Predictor


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A run's folder with a bundle of one class."""
    write_bundle(tmp_path / "run" / "bundle", bright_files())
    return tmp_path / "run" / "bundle"


@pytest.fixture(scope="session")
def nerve(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Finds the nerve."""
    folder = tmp_path_factory.mktemp("nerve") / "bundle"
    write_bundle(folder, bright_files())
    return Predictor.load(folder)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Finds nerve and vessel."""
    folder = tmp_path_factory.mktemp("both") / "bundle"
    write_bundle(folder, bright_files(("nerve", "vessel")))
    return Predictor.load(folder)
