"""The cache stays bounded: the least recently used go first, what is in use stays, and nothing is left half-written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from sononerve.io import cache
from sononerve.io.cache import cache_folder, clear_cache, list_cached, new_cached, open_cached


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of the test's own, for 250 bytes."""
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache, "LIMIT", 250)


def make(name: str, used_s: float, size: int = 100) -> Path:
    """A file last used at a time of its own."""
    path = cache_folder() / name
    with new_cached(path, size) as file:
        file.write(bytes(size))
    os.utime(path, (used_s, used_s))
    return path


def names() -> list[str]:
    return [cached.path.name for cached in list_cached()]


def test_the_least_recently_used_goes_first() -> None:
    make("a", 1000)
    make("b", 2000)
    used = open_cached(cache_folder() / "a")
    assert used is not None
    used.close()
    make("c", 3000)
    assert sorted(names()) == ["a", "c"]


def test_what_is_in_use_stays_although_there_is_too_much() -> None:
    held = open_cached(make("a", 1000))
    assert held is not None
    with held:
        os.utime(cache_folder() / "a", (1000, 1000))
        make("b", 2000)
        make("c", 3000, size=200)
        assert names() == ["a", "c"]
        assert held.read() == bytes(100)
    make("d", 4000, size=200)
    assert names() == ["d"]


def test_a_file_larger_than_the_limit_is_made_alone() -> None:
    make("a", 1000)
    make("b", 2000, size=1000)
    assert names() == ["b"]


def test_what_a_killed_writer_left_is_removed_and_what_another_writes_now_is_not() -> None:
    make("a", 1000)
    left = cache_folder() / ".b.0123.tmp"
    left.write_bytes(bytes(10))
    os.utime(left, (1000, 1000))
    with new_cached(cache_folder() / "b", 10) as file:
        file.write(bytes(10))
        file.flush()
        (being_written,) = set(cache_folder().glob(".*.tmp")) - {left}
        os.utime(being_written, (1000, 1000))
        make("c", 2000, size=10)
        assert not left.exists()
        assert being_written.exists()
    assert sorted(names()) == ["a", "b", "c"]


def test_a_writer_that_fails_leaves_nothing() -> None:
    def fail() -> None:
        with new_cached(cache_folder() / "a", 10) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(cache_folder().iterdir()) == []


def test_clearing_removes_all_but_what_is_in_use() -> None:
    make("a", 1000)
    held = open_cached(make("b", 2000))
    assert held is not None
    with held:
        removed, kept = clear_cache()
    assert [cached.path.name for cached in removed] == ["a"]
    assert [cached.path.name for cached in kept] == ["b"]
    assert names() == ["b"]


def test_a_file_that_another_process_replaces_as_it_is_opened_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path, lock, replaced = make("a", 1000, size=10), cache._lock, []

    def late(file: BinaryIO, *, alone: bool) -> bool:
        if not replaced:
            replaced.append(path)
            make("a", 2000, size=20)
        return lock(file, alone=alone)

    monkeypatch.setattr(cache, "_lock", late)
    file = open_cached(path)
    assert file is not None
    with file:
        assert len(file.read()) == 20
