"""What many tests need: real frames where they are, and small data sets on disk."""

import http.server
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from sononerve.cli import main

settings.register_profile("sononerve", deadline=None, max_examples=60)  # a busy machine is no failure
settings.load_profile("sononerve")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory):
    """What sononerve keeps on this machine, for the tests alone; processes that they start have it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONONERVE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


class DataFolder:
    """A folder for a small data set, filled file by file; every frame is 24 x 32 unless told."""

    def __init__(self, path):
        self.path = path
        self.path.mkdir(parents=True, exist_ok=True)

    def save(self, name, pixels):
        """Exactly these pixels."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
        return file

    def image(self, name, size=(24, 32)):
        """A frame of smooth noise that depends on its name alone."""
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        knots = Image.fromarray(rng.integers(20, 256, (9, 9), dtype=np.uint8))
        return self.save(name, np.asarray(knots.resize((size[1], size[0]), Image.Resampling.BICUBIC)))

    def mask(self, name, value=1, size=(24, 32)):
        """A mask with one block of ``value``, 4 rows by 5 columns."""
        labels = np.zeros(size, np.uint8)
        labels[8:12, 10:15] = value
        return self.save(name, labels)

    def text(self, name, content):
        """A file with exactly these bytes, or this text in UTF-8."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def pair(self, stem, value=1):
        """``images/STEM.png`` and ``masks/STEM.png``."""
        self.image(f"images/{stem}.png")
        self.mask(f"masks/{stem}.png", value)

    def manifest(self, *rows, header="image,mask"):
        """A manifest.csv with these lines."""
        return self.text("manifest.csv", "\n".join([header, *rows]) + "\n")


@pytest.fixture
def data_folder(tmp_path):
    """An empty `DataFolder`."""
    return DataFolder(tmp_path / "data")


@pytest.fixture
def cli(monkeypatch, capsys):
    """Call ``sononerve ...`` in this process: exit status, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sononerve", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the repository; skips where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real frames are kept outside of the repository, and {folder} is not here")
    return folder


class Web:
    """A server on this machine: pages (status, headers, body) by path, and the headers it was asked with."""

    def __init__(self):
        self.pages, self.asked = {}, {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked[self.path] = dict(self.headers)
                status, headers, body = outer.pages.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    if value is not None:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def put(self, path, body=b"", status=200, **headers):
        """Answer with these bytes at ``path`` and return the address; a header of None is left out."""
        self.pages[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return self.address + path


@pytest.fixture
def web(monkeypatch):
    """An empty `Web`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Web()
    yield server
    server.server.shutdown()
    server.server.server_close()
