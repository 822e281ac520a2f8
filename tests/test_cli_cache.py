"""What a user does about the prepared frames that trainings keep."""

import json

import pytest

from sononerve.io.cache import cache_folder, new_cached, open_cached


@pytest.fixture
def told(cli, monkeypatch, tmp_path):
    """Run a verb of the cache, which is the test's own, and return what it prints as JSON."""
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "home"))

    def run(*arguments):
        status, said, _ = cli("cache", *arguments)
        assert status == 0
        return said

    return run


def test_a_cache_that_was_never_used_is_empty(told, tmp_path):
    assert told("list") == f"0 files, 0.000 GB in {tmp_path / 'home' / 'canvases'}\n"
    assert told("clear") == "0 files removed, 0.000 GB; 0 in use and kept\n"


def test_files_are_listed_and_cleared_but_for_those_in_use(told):
    for name in ("a.npy", "b.npy"):
        with new_cached(cache_folder() / name, 5) as file:
            file.write(b"12345")
    with open_cached(cache_folder() / "a.npy"):
        listed = json.loads(told("list", "--json"))
        assert listed["bytes"] == 10
        assert len(listed["files"]) == 2
        assert json.loads(told("clear", "--json")) == {"removed": 1, "bytes": 5, "in_use": 1}
    assert "a.npy" in told("list")
