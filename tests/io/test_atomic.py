"""A file is written whole or not at all."""

import os

import numpy as np
import pytest

from sononerve.io.atomic import write_bytes, write_text
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


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, failing):
    file = tmp_path / "mask.png"
    write_bytes(file, b"old")

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_png(file, np.zeros((3, 3), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["mask.png"]
    assert file.read_bytes() == b"old"


def test_an_array_that_is_no_picture_leaves_no_file(tmp_path):
    with pytest.raises((TypeError, ValueError)):
        write_png(tmp_path / "mask.png", np.zeros((3, 3, 7), np.uint8))
    assert list(tmp_path.iterdir()) == []
