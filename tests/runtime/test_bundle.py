"""A bundle is opened whole and unchanged, or refused with a sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bright import bright_files, bright_frame

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.runtime.bundle import GRAPH, MANIFEST, NEEDED, Bundle, write_bundle, zip_bundle
from sononerve.runtime.predictor import Predictor


@pytest.fixture
def zipped(bundle: Path, tmp_path: Path) -> Path:
    """The same bundle as one file."""
    zip_bundle(Bundle.open(bundle), tmp_path / "model.zip")
    return tmp_path / "model.zip"


def rezip(source: Path, target: Path, change: Callable[[dict[str, bytes]], None], compression: int = 0) -> Path:
    """The zip with changed files, written by another program, as it were."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def untouched(_: dict[str, bytes]) -> None:
    """Change nothing."""


def change_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    """Edit the manifest."""
    told = json.loads((folder / MANIFEST).read_text())
    change(told)
    (folder / MANIFEST).write_text(json.dumps(told))


def test_run_bundle_and_zip_answer_alike(bundle: Path, zipped: Path) -> None:
    frame = Frame(bright_frame())
    answers = [Predictor.load(path).predict(frame) for path in (bundle.parent, bundle, zipped)]
    assert answers[0].labels.sum() == 40
    assert all(np.array_equal(answer.probabilities, answers[0].probabilities) for answer in answers)


def test_a_zip_that_another_program_compressed_opens_as_well(zipped: Path, tmp_path: Path) -> None:
    small = rezip(zipped, tmp_path / "small.zip", untouched, zipfile.ZIP_DEFLATED)
    assert Bundle.open(small).files == Bundle.open(zipped).files


@pytest.mark.parametrize("name", [GRAPH, *NEEDED])
def test_one_changed_byte_in_any_file_is_seen(bundle: Path, zipped: Path, name: str, tmp_path: Path) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} was changed since it was written.*copy the bundle again"):
        Bundle.open(bundle)
    changed = rezip(zipped, tmp_path / "changed.zip", lambda files: files.update({name: bytes(content)}))
    with pytest.raises(InputError, match=rf"{name} was changed"):
        Bundle.open(changed)


@pytest.mark.parametrize("name", [GRAPH, *NEEDED])
def test_a_missing_file_is_named(bundle: Path, zipped: Path, name: str, tmp_path: Path) -> None:
    (bundle / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: missing"):
        Bundle.open(bundle)
    without = rezip(zipped, tmp_path / "without.zip", lambda files: files.pop(name))
    with pytest.raises(InputError, match=rf"{name} is missing"):
        Bundle.open(without)


@pytest.mark.parametrize("name", [GRAPH, *NEEDED])
def test_a_manifest_that_leaves_out_a_needed_file_is_refused(bundle: Path, name: str) -> None:
    change_manifest(bundle, lambda told: told["files"].pop(name))
    with pytest.raises(InputError, match=rf"lists no {name}"):
        Bundle.open(bundle)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", "C:x"])
def test_a_manifest_that_names_a_path_is_refused(bundle: Path, zipped: Path, name: str, tmp_path: Path) -> None:
    def add(told: dict) -> None:
        told["files"][name] = told["files"]["card.md"]

    (bundle.parent / "x").write_bytes((bundle / "card.md").read_bytes())
    change_manifest(bundle, add)
    with pytest.raises(InputError, match="expected plain file names"):
        Bundle.open(bundle)
    manifest = (bundle / MANIFEST).read_bytes()
    foreign = rezip(zipped, tmp_path / "foreign.zip", lambda f: f.update({MANIFEST: manifest, name or "x": b"# "}))
    with pytest.raises(InputError, match="expected plain file names"):
        Bundle.open(foreign)


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_format_is_refused_with_what_is_read(bundle: Path, version: object) -> None:
    change_manifest(bundle, lambda told: told.update(format=version))
    with pytest.raises(InputError, match="reads format 1: update it, or export anew"):
        Bundle.open(bundle)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused_by_name(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json"):
        Bundle.open(bundle)


def test_a_file_behind_a_link_is_not_followed(bundle: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    shutil.move(bundle / "card.md", outside)
    (bundle / "card.md").symlink_to(outside)
    with pytest.raises(InputError, match=r"card\.md"):
        Bundle.open(bundle)


def test_a_zip_cut_off_anywhere_is_refused(zipped: Path, tmp_path: Path) -> None:
    whole = zipped.read_bytes()
    cut = tmp_path / "cut.zip"
    for kept in np.linspace(0, len(whole) - 1, 25).astype(int):
        cut.write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"cut\.zip: "):
            Bundle.open(cut)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_any_damaged_byte_is_refused_or_whole(zipped: Path, compression: int, tmp_path: Path) -> None:
    """Wherever the damage lies, the answer is a sentence or the very files; never a traceback, never other bytes."""
    packed = rezip(zipped, tmp_path / "packed.zip", untouched, compression)
    expected, whole = Bundle.open(zipped).files, packed.read_bytes()
    damaged = tmp_path / "damaged.zip"
    refused = 0
    for place in np.random.default_rng(0).choice(len(whole), 150, replace=False):
        content = bytearray(whole)
        content[place] ^= 0xFF
        damaged.write_bytes(content)
        try:
            assert Bundle.open(damaged).files == expected
        except InputError as error:
            assert str(error).startswith(str(damaged))
            refused += 1
    assert refused > 50


def test_a_small_zip_that_would_fill_the_memory_is_refused_before_it_is_unpacked(zipped: Path, tmp_path: Path) -> None:
    """A hundred megabytes of zeros are a hundred kilobytes on disk."""

    def blow_up(files: dict[str, bytes]) -> None:
        files["card.md"] = bytes(100_000_000)
        told = json.loads(files[MANIFEST])
        told["files"]["card.md"]["bytes"] = len(files["card.md"])
        files[MANIFEST] = json.dumps(told).encode()

    bomb = rezip(zipped, tmp_path / "bomb.zip", blow_up, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"card\.md.*unpack"):
        Bundle.open(bomb)


def test_a_manifest_that_would_fill_the_memory_is_refused(zipped: Path, tmp_path: Path) -> None:
    def blow_up(files: dict[str, bytes]) -> None:
        files[MANIFEST] = b" " * 50_000_000 + files[MANIFEST]

    bomb = rezip(zipped, tmp_path / "bomb.zip", blow_up, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"manifest\.json"):
        Bundle.open(bomb)


def test_a_password_is_not_asked_for(zipped: Path, tmp_path: Path) -> None:
    content = bytearray(zipped.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag "encrypted", in both headers
        start = content.find(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 4)
    (tmp_path / "locked.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"locked\.zip: not a bundle"):
        Bundle.open(tmp_path / "locked.zip")


def test_what_is_no_bundle_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.pt").write_bytes(b"\x80\x04pickle")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for name, reason in [
        ("none", "no such bundle"),
        ("folder", "a run whose training has ended"),
        ("model.pt", "not a bundle"),
        ("other.zip", "without manifest.json"),
    ]:
        with pytest.raises(InputError, match=reason):
            Bundle.open(tmp_path / name)


@pytest.mark.parametrize(
    "config", [b"classes: []\n", b"{}\n", b"classes: nerve\n", b"threshold: 2\n", b"{", b"\xff", b"classes: [a, a]\n"]
)
def test_a_configuration_that_cannot_be_run_is_refused(tmp_path: Path, config: bytes) -> None:
    write_bundle(tmp_path / "bundle", bright_files() | {"config.yaml": config})
    with pytest.raises(InputError, match=r"config\.yaml is not what it should be"):
        Bundle.open(tmp_path / "bundle")


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", bright_files() | {"model.onnx": b"not a graph"})
    with pytest.raises(InputError, match=r"model\.onnx: not a graph of ONNX .*export it again"):
        Predictor.load(tmp_path / "bundle")


def test_an_unknown_setting_of_a_newer_writer_is_no_reason_to_refuse(tmp_path: Path) -> None:
    config = b"classes: [nerve]\nsecond_look: true\n"
    write_bundle(tmp_path / "bundle", bright_files() | {"config.yaml": config})
    assert Bundle.open(tmp_path / "bundle").config.classes == ("nerve",)


def test_writing_replaces_the_old_bundle_whole_and_leaves_nothing_else(bundle: Path) -> None:
    (bundle / "stale.txt").write_text("of the old one")
    write_bundle(bundle, bright_files() | {"scores.json": b'{"dice": 1}\n'})
    assert Bundle.open(bundle).files["scores.json"] == b'{"dice": 1}\n'
    assert sorted(p.name for p in bundle.iterdir()) == sorted([MANIFEST, *bright_files()])
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_a_write_that_fails_leaves_the_old_bundle(bundle: Path) -> None:
    with pytest.raises(TypeError):
        write_bundle(bundle, bright_files() | {"zz.md": "text, not bytes"})  # type: ignore[dict-item]
    assert Bundle.open(bundle).files == bright_files()
    assert [p.name for p in bundle.parent.iterdir()] == ["bundle"]


def test_a_bundle_without_a_needed_file_is_not_written(tmp_path: Path) -> None:
    files = bright_files()
    del files["card.md"]
    with pytest.raises(ValueError, match=r"needs card\.md"):
        write_bundle(tmp_path / "bundle", files)
    assert list(tmp_path.iterdir()) == []
