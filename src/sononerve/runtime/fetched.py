"""Bundles from the web: fetched once, checked, kept on this machine, and found there without a network."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ..errors import InputError
from ..io.download import download, shown
from ..io.home import home
from ..progress import counted

MOST_BYTES = 2_000_000_000
LONGEST_NAME = 100
HUB, HUB_SETTING = "https://huggingface.co", "HF_ENDPOINT"
BY_HASH = re.compile(r"sha256=([0-9A-Fa-f]{64})")
IN_REPOSITORY = re.compile(r"hf://([\w.-]+/[\w.-]+)@([0-9a-f]{40})/([\w./ -]+)")
EXPECTED = "https://HOST/model.sono#sha256=HEX, or hf://OWNER/NAME@COMMIT/model.sono with the 40 digits of a commit"


def fetch_bundle(address: str) -> Path:
    """The file of a bundle on the web, which is fetched where it is not on this machine yet.

    ``address``: ``https://HOST/model.sono#sha256=HEX``, or ``hf://OWNER/NAME@COMMIT/model.sono``, a file of a
    repository of Hugging Face at a commit; the setting ``HF_ENDPOINT`` names another hub. Raises `InputError` for any
    other address, for what cannot be reached, and where the SHA-256 differs.
    """
    if address.startswith("hf://"):
        return _from_hub(address)
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise InputError(f"{address}: not an address ({error}); expected {EXPECTED}") from error
    told = BY_HASH.fullmatch(parts.fragment)
    if told is None:
        raise InputError(f"{shown(address)}: does not say which file is meant; expected {EXPECTED}")
    sha256 = told[1].lower()
    place = _place(sha256, unquote(parts.path))
    if place.is_file() and _sha256_of(place) == sha256:
        return place
    return _fetched(parts._replace(fragment="").geturl(), place, sha256)


def _from_hub(address: str) -> Path:
    told = IN_REPOSITORY.fullmatch(address)
    if told is None or ".." in told[3].split("/"):
        raise InputError(f"{address}: not a file of a repository at a commit; expected {EXPECTED}")
    repository, commit, path = told.groups()
    hub = os.environ.get(HUB_SETTING, "").rstrip("/") or HUB
    whole = f"{hub}/{repository}/resolve/{commit}/{quote(path)}"
    place = _place(hashlib.sha256(whole.encode()).hexdigest(), path)
    return place if place.is_file() else _fetched(whole, place, None)


def _place(key: str, path: str) -> Path:
    """Where it is kept, under its own last name: that is what scores and cards call it."""
    name = re.sub(r"[^\w.-]", "_", path.rpartition("/")[2]).lstrip(".")[-LONGEST_NAME:] or "model.sono"
    return home() / "models" / key[:32] / name


def _fetched(address: str, place: Path, sha256: str | None) -> Path:
    with counted(f"fetch {place.name}") as progress:
        download(address, place, sha256, MOST_BYTES, progress)
    return place


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
