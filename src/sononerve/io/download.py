"""Download a file over https: a limit on its bytes, its SHA-256 checked, and never half of it under its name."""

from __future__ import annotations

import base64
import hashlib
import http.client
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from ..errors import InputError
from .atomic import blamed_on

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
PATIENCE_S = 60.0
CHUNK = 1 << 20
AGENT = "sononerve"
OFFLINE = (
    "check the address and the network, or fetch the file elsewhere and name it in place of the address "
    "(--from FILE, --model FILE)"
)

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes there will be; the same where the server does not say."""


def is_address(text: str) -> bool:
    """Whether it is an address of the web and not a file's name."""
    return "://" in text


def download(address: str, target: Path, sha256: str | None, most_bytes: int, progress: Progress | None = None) -> str:
    """Put what is at ``address`` into the file ``target`` and return its SHA-256.

    Raises `InputError` for addresses that are not https (plain http only to this machine, redirects alike), for more
    than ``most_bytes``, and where the SHA-256 is not ``sha256``; ``target`` is then as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    found = hashlib.sha256()
    try:
        with _opened(address) as answer, blamed_on(target), temporary.open("wb") as file:
            for chunk in _chunks(answer, address, most_bytes, progress):
                found.update(chunk)
                file.write(chunk)
        check_sha256(shown(address), found.hexdigest(), sha256)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return found.hexdigest()


def fetch_page(address: str, most_bytes: int) -> tuple[str, str]:
    """The text at ``address``, and the address it was at after redirects; raises `InputError` as `download` does."""
    with _opened(address) as answer:
        content = b"".join(_chunks(answer, address, most_bytes, None))
        return content.decode("utf-8", "replace"), answer.geturl()


def check_sha256(source: str, found: str, expected: str | None) -> None:
    """Raise `InputError` where ``expected`` is given and is not what was ``found``."""
    if expected is not None and found != expected.lower():
        raise InputError(f"{source}: SHA-256 is {found}, expected {expected.lower()}: it is another file; not used")


def shown(address: str) -> str:
    """The address without what may be secret: the user's name and password, and what stands behind ``?``."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise InputError(f"{address}: not an address ({error}); expected https://...") from error
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in THIS_MACHINE)):
        raise InputError(
            f"{shown(address)}: not used; expected an address with https://, for others can be tampered with"
        )
    return parts


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to where one may go in the first place."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        here, there = urlsplit(req.full_url), _checked(newurl)
        if there.hostname in THIS_MACHINE and here.hostname not in THIS_MACHINE:
            raise InputError(f"{shown(req.full_url)}: redirects to this machine; not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@contextmanager
def _opened(address: str) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request; whatever goes wrong, also while it is read, is an `InputError`."""
    parts = _checked(address)
    path, query = (quote(part, safe="/%:=&+,;@!$'()*~-._?[]") for part in (parts.path, parts.query))
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query=query))
    request = urllib.request.Request(plain, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    try:
        with urllib.request.build_opener(_SafeRedirects).open(request, timeout=PATIENCE_S) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        raise InputError(f"{shown(address)}: the server says {error.code} {error.reason}; {OFFLINE}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise InputError(f"{shown(address)}: cannot be reached ({reason}); {OFFLINE}") from error


def _chunks(
    answer: http.client.HTTPResponse, address: str, most_bytes: int, progress: Progress | None
) -> Iterator[bytes]:
    """The answer piece by piece; raises `InputError` where it is too long or ends early."""
    declared = answer.headers.get("Content-Length", "")
    size = int(declared) if declared.isdecimal() else 0
    done = 0
    while chunk := answer.read(CHUNK):
        done += len(chunk)
        if max(size, done) > most_bytes:
            raise InputError(f"{shown(address)}: {max(size, done)} bytes or more; expected at most {most_bytes}")
        if progress is not None:
            progress(done, max(done, size))
        yield chunk
    if done < size:
        raise InputError(f"{shown(address)}: ended after {done} of {size} bytes; try again")
