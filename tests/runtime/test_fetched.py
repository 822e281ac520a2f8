"""Bundles by their address: fetched once, checked, and there without a network."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bright import bright_files

from sononerve.errors import InputError
from sononerve.io.home import home
from sononerve.runtime.bundle import Bundle, write_bundle, zip_bundle

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "kept"))
    write_bundle(tmp_path / "bundle", bright_files())
    zip_bundle(Bundle.open(tmp_path / "bundle"), tmp_path / "a.sono")
    return (tmp_path / "a.sono").read_bytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_it_is_fetched_once_and_then_needs_no_network(packed: bytes, web: Any) -> None:
    address = f"{web.put('/models/nerve.sono', packed)}#sha256={sha256(packed)}"
    first = Bundle.open(address)
    assert first.config.classes == ("nerve",)
    assert first.source.name == "nerve.sono"
    web.server.server_close()
    assert Bundle.open(address).identity == first.identity


def test_another_file_than_was_meant_is_not_used(packed: bytes, web: Any) -> None:
    address = web.put("/nerve.sono", packed)
    with pytest.raises(InputError, match=r"SHA-256 is .* not used"):
        Bundle.open(f"{address}#sha256={'0' * 64}")
    assert not [path for path in home().rglob("*") if path.is_file()]


def test_a_kept_file_that_was_changed_is_fetched_again(packed: bytes, web: Any) -> None:
    address = f"{web.put('/nerve.sono', packed)}#sha256={sha256(packed)}"
    kept = Bundle.open(address).source
    kept.write_bytes(packed[:-1])
    assert Bundle.open(address).source.read_bytes() == packed
    kept.write_bytes(packed[:-1])
    web.server.server_close()
    with pytest.raises(InputError, match=r"cannot be reached .* --model FILE"):
        Bundle.open(address)


def test_an_odd_address_is_said_and_a_long_name_cut(packed: bytes, web: Any) -> None:
    with pytest.raises(InputError, match="not an address"):
        Bundle.open(f"https://[::1#sha256={'0' * 64}")
    address = f"{web.put('/' + 'n' * 300 + '.sono', packed)}#sha256={sha256(packed)}"
    assert Bundle.open(address).source.name.endswith("nnn.sono")


@pytest.mark.parametrize("ending", ["", "#", "#sha256=", "#sha256=12", "#md5=0"])
def test_an_address_without_a_hash_is_refused(packed: bytes, web: Any, ending: str) -> None:
    address = web.put("/nerve.sono", packed)
    with pytest.raises(InputError, match=r"which file is meant; expected https://HOST/model.sono#sha256=HEX"):
        Bundle.open(address + ending)


def test_a_repository_at_a_commit(packed: bytes, web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.address)
    web.put(f"/owner/name/resolve/{COMMIT}/presets/fast.sono", packed)
    address = f"hf://owner/name@{COMMIT}/presets/fast.sono"
    assert Bundle.open(address).source.name == "fast.sono"
    web.server.server_close()
    assert Bundle.open(address).config.classes == ("nerve",)
    monkeypatch.setenv("HF_ENDPOINT", web.address.replace("127.0.0.1", "localhost"))
    with pytest.raises(InputError, match="cannot be reached"):
        Bundle.open(address)


@pytest.mark.parametrize(
    "address",
    [
        "hf://owner/name@main/a.sono",
        "hf://owner/name/a.sono",
        f"hf://owner/name@{COMMIT}/../a.sono",
        f"hf://owner@{COMMIT}/a.sono",
    ],
)
def test_what_may_change_or_lead_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="not a file of a repository at a commit"):
        Bundle.open(address)


def test_what_is_no_bundle_is_said(web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "kept"))
    page = b"<html>not found</html>"
    with pytest.raises(InputError, match="not a bundle"):
        Bundle.open(f"{web.put('/a.sono', page)}#sha256={sha256(page)}")


def test_the_command_line_takes_an_address(
    packed: bytes, web: Any, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    from bright import bright_frame

    from sononerve.io.images import write_png

    write_png(tmp_path / "frame.png", bright_frame())
    address = f"{web.put('/nerve.sono', packed)}#sha256={sha256(packed)}"
    status, out, _ = cli("predict", tmp_path / "frame.png", "--model", address, "--out", tmp_path / "out")
    assert status == 0
    assert "1 predicted" in out
    shutil.rmtree(tmp_path / "out")
