"""A public data set from a server on this machine: checked frame by frame, with its licence, or not at all."""

import csv
import dataclasses
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from sononerve.data import fetch as fetching
from sononerve.data.dataset import load_dataset
from sononerve.data.fetch import PUBLIC_SETS, fetch, labels_hash
from sononerve.errors import InputError
from sononerve.io.images import frame_hash

REAL = PUBLIC_SETS["usgra-seg"]
TOP = "usgra-seg-b7429be/dataset"


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pair(number):
    """A frame and a mask with nerve and vessel, of their own for every number."""
    rng = np.random.default_rng(number)
    labels = np.zeros((24, 32), np.uint8)
    labels[number : number + 5, 3:9], labels[15:20, 3:9] = 1, 2
    return png(rng.integers(0, 256, (24, 32), dtype=np.uint8)), png(labels)


def files():
    """What GitHub's archive has: frames 0 and 1, frame 2 of the test part, and other things."""
    found = {f"{TOP}/": b"", "usgra-seg-b7429be/models/net.py": b"import os", f"{TOP}/LICENSE": b"CC BY"}
    for number, folder in enumerate((TOP, TOP, f"{TOP}/test")):
        for part, content in zip(("images", "masks"), pair(number), strict=True):
            found[f"{folder}/{part}/{number:04d}.png"] = content
    return found


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.fixture
def public(tmp_path):
    """The real set's entry with the hashes of frames 0 and 2 of this one; frame 1 has none, as 59 of the real ones."""
    rows = [["frame", "image_sha256", "mask_sha256"]]
    for number in (0, 2):
        image, mask = (tmp_path / name for name in ("image.png", "mask.png"))
        for path, content in zip((image, mask), pair(number), strict=True):
            path.write_bytes(content)
        rows.append([f"{number:04d}.png", frame_hash(image), labels_hash(mask)])
    table = tmp_path / "hashes.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return dataclasses.replace(REAL, hashes=str(table))


def test_the_verb_gives_a_data_set_that_loads_and_tells_the_licence(cli, web, public, tmp_path):
    address = web.put("/archive.zip", zipped(files()))
    out = tmp_path / "new" / "set"
    with mock.patch.dict(PUBLIC_SETS, {"usgra-seg": public}):
        status, said, _ = cli("data", "fetch", "usgra-seg", "--out", out, "--from", address)
    assert status == 0
    assert "Timm Kandaouroff" in said and "CC BY 4.0" in said and public.revision in said
    assert "3 frames in" in said and "2 checked" in said
    assert "1 frames have no known SHA-256" in said
    assert sorted(path.name for path in out.iterdir()) == [
        *("LICENCE.txt", "classes.txt", "images", "masks", "published_test.txt")
    ]
    licence = (out / "LICENCE.txt").read_text()
    assert "Timm Kandaouroff" in licence and "https://creativecommons.org/licenses/by/4.0/" in licence
    assert (out / "published_test.txt").read_text() == "0002.png\n"
    dataset = load_dataset(out)
    assert dataset.classes == ("nerve", "vessel")
    assert [Path(name).name for name in dataset.names] == ["0000.png", "0001.png", "0002.png"]
    np.testing.assert_array_equal(dataset[2].labels, np.asarray(Image.open(io.BytesIO(pair(2)[1]))))


def test_json_is_alone_on_standard_output(cli, public, tmp_path):
    (tmp_path / "archive.zip").write_bytes(zipped(files()))
    arguments = ["usgra-seg", "--out", tmp_path / "set", "--from", tmp_path / "archive.zip", "--json"]
    with mock.patch.dict(PUBLIC_SETS, {"usgra-seg": public}):
        status, said, told = cli("data", "fetch", *arguments)
    assert status == 0
    found = json.loads(said)
    assert (found["frames"], found["checked"], found["unchecked"]) == (3, 2, 1)
    assert "CC BY 4.0" in told


def test_an_unknown_set_names_the_known_ones(cli, tmp_path):
    status, _, error = cli("data", "fetch", "other", "--out", tmp_path / "set")
    assert status == 2
    assert error == "sononerve: other: no such public data set; known are usgra-seg\n"


def test_a_frame_saved_anew_with_the_same_pixels_is_the_same(public, tmp_path):
    members = files()
    gray = np.asarray(Image.open(io.BytesIO(pair(0)[0])))
    members[f"{TOP}/images/0000.png"] = png(np.stack([gray] * 3, axis=-1))
    (tmp_path / "archive.zip").write_bytes(zipped(members))
    assert fetch(public, tmp_path / "set", str(tmp_path / "archive.zip")).checked == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({f"{TOP}/images/0000.png": pair(5)[0]}, "the image 0000.png is not the known one"),
        ({f"{TOP}/test/masks/0002.png": pair(5)[1]}, "the mask 0002.png is not the known one"),
        ({f"{TOP}/masks/0001.png": None}, "0001.png or its mask is missing"),
        ({f"{TOP}/images/0000.png": None, f"{TOP}/masks/0000.png": None}, "0000.png or its mask is missing"),
        ({f"{TOP}/images/0002.png": pair(2)[0]}, "images/0002.png is in it twice"),
        ({f"{TOP}/images/0001.png": b"hello"}, "images/0001.png: not an image"),
    ],
)
def test_what_is_not_the_set_is_refused_and_nothing_is_left(public, tmp_path, change, fault):
    members = {name: content for name, content in (files() | change).items() if content is not None}
    archive, out = tmp_path / "archive.zip", tmp_path / "new" / "set"
    archive.write_bytes(zipped(members))
    with pytest.raises(InputError, match=fault) as refused:
        fetch(public, out, str(archive))
    assert str(refused.value).startswith(f"{archive}: ")
    assert not list(out.parent.iterdir())


def test_nothing_else_in_the_archive_is_unpacked(public, tmp_path):
    more = [f"{TOP}/images/../../../../evil.png", f"/{TOP}/images/0007.png", "../dataset/images/0007.png"]
    more += [f"{TOP}/images/notes.txt", f"{TOP}/images/0007.exe", f"{TOP}/images/a/0007.png"]
    (tmp_path / "archive.zip").write_bytes(zipped(files() | dict.fromkeys(more, b"evil")))
    assert fetch(public, tmp_path / "set", str(tmp_path / "archive.zip")).frames == 3
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"evil"]
    assert len(list((tmp_path / "set").rglob("*.*"))) == 9


@pytest.mark.parametrize("limit", ["MOST_FILES", "MOST_FILE", "MOST_ARCHIVE"])
def test_an_archive_that_would_unpack_to_too_much_is_refused(monkeypatch, public, tmp_path, limit):
    monkeypatch.setattr(fetching, limit, 5)
    (tmp_path / "archive.zip").write_bytes(zipped(files()))
    with pytest.raises(InputError, match=r"cannot be unpacked .*(at most|more than)"):
        fetch(public, tmp_path / "set", str(tmp_path / "archive.zip"))
    assert not (tmp_path / "set").exists()


def test_a_damaged_archive_is_refused(public, tmp_path):
    whole = zipped(files())
    archive = tmp_path / "archive.zip"
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:200] + bytes(200) + whole[400:]):
        archive.write_bytes(content)
        with pytest.raises(InputError, match="cannot be unpacked"):
            fetch(public, tmp_path / "set", str(archive))
    assert not (tmp_path / "set").exists()


def test_a_given_sha256_is_held(web, public, tmp_path):
    content = zipped(files())
    good, address = hashlib.sha256(content).hexdigest(), web.put("/a.zip", content)
    (tmp_path / "a.zip").write_bytes(content)
    for number, source in enumerate((address, str(tmp_path / "a.zip"))):
        with pytest.raises(InputError, match="SHA-256 is"):
            fetch(public, tmp_path / "set", source, "0" * 64)
        assert fetch(public, tmp_path / f"set{number}", source, good).frames == 3


def test_what_is_there_is_kept(public, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        fetch(public, tmp_path / "set", str(tmp_path / "archive.zip"))
    assert (tmp_path / "set" / "mine").read_text() == "mine"


def test_the_entry_names_one_revision_and_its_archive():
    assert re.fullmatch("[0-9a-f]{40}", REAL.revision)
    assert REAL.address == f"{REAL.home}/archive/{REAL.revision}.zip"


def test_real_frames_are_the_known_ones(shared_data, tmp_path):
    folder = shared_data / "usgra-seg"
    members = {
        f"{TOP}/{part}/{path.name}": path.read_bytes()
        for part in ("images", "masks")
        for path in (folder / part).glob("*.png")
    }
    (tmp_path / "archive.zip").write_bytes(zipped(members))
    found = fetch(REAL, tmp_path / "set", str(tmp_path / "archive.zip"))
    assert (found.frames, found.checked) == (185, 185)
