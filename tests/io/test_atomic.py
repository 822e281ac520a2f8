"""A file is written whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from sononerve.errors import InputError
from sononerve.io.atomic import check_folder, check_place, new_folder, put_folder, write_bytes, write_text
from sononerve.io.images import write_png


def test_folders_are_made_and_text_is_utf_8(tmp_path):
    file = tmp_path / "a" / "b" / "note.txt"
    write_text(file, "Grüße µm")
    assert file.read_bytes() == "Grüße µm".encode()


def test_old_content_is_replaced_and_nothing_else_is_left(tmp_path):
    file = tmp_path / "note.txt"
    write_text(file, "a long first version")
    write_text(file, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]
    assert file.read_text() == "new"


def test_a_folder_takes_the_place_of_another_or_leaves_it_as_it_was(tmp_path, monkeypatch):
    place = tmp_path / "scored"
    for content in ("old", "new"):
        write_text(tmp_path / "built" / "note.txt", content)
        put_folder(tmp_path / "built", place)
        assert (place / "note.txt").read_text() == content
    write_text(tmp_path / "built" / "note.txt", "never")
    rename = Path.rename

    def fail(self, target):
        if self.name == "built":
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="busy"):
        put_folder(tmp_path / "built", place)
    assert (place / "note.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "scored"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    file = tmp_path / "mask.png"
    write_bytes(file, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_png(file, np.zeros((3, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["mask.png"]
    assert file.read_bytes() == b"old"


def test_an_array_that_is_no_picture_leaves_no_file(tmp_path):
    with pytest.raises((TypeError, ValueError)):
        write_png(tmp_path / "mask.png", np.zeros((3, 3, 7), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_place_for_a_file_needs_a_folder_above_it(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    for good in ("file", "new/deep/a.png", tmp_path / "new"):
        check_place(Path(good))
    with pytest.raises(InputError, match="file is a file, not a folder"):
        check_place(Path("file/deep/a.png"))


def test_a_folder_for_files_is_not_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "deep")
    for bad in ("file", "file/deep"):
        with pytest.raises(InputError, match="file is a file, not a folder"):
            check_folder(tmp_path / bad)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    try:
        for check in (check_place, check_folder):
            with pytest.raises(InputError, match="may not be written to"):
                check(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)


def test_an_error_of_the_system_names_the_file_that_was_meant(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_bytes(tmp_path / "a.png", b"x")
    assert refused.value.filename == str(tmp_path / "a.png")


def test_a_new_folder_is_whole_or_not_there(tmp_path):
    with new_folder(tmp_path / "deep" / "new") as built:
        (built / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "new").exists()
    assert [p.name for p in (tmp_path / "deep" / "new").iterdir()] == ["a.txt"]
    with pytest.raises(KeyError), new_folder(tmp_path / "deep" / "other") as built:
        (built / "a.txt").write_text("a")
        raise KeyError
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["new"]


def test_an_empty_folder_is_filled_and_any_other_left(tmp_path):
    with new_folder(tmp_path) as built:
        (built / "a.txt").write_text("a")
    with pytest.raises(InputError, match="is there already and not an empty folder"), new_folder(tmp_path):
        pass
    with pytest.raises(InputError, match="is a file, not a folder"), new_folder(tmp_path / "a.txt" / "b"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
