"""images/ beside masks/: paired by name, and nothing left over on either side."""

import unicodedata

import pytest

from sononerve.data.layouts.folders import matches, read
from sononerve.errors import InputError


def test_frames_are_paired_by_name_whatever_their_formats(data_folder):
    data_folder.image("images/b.jpg")
    data_folder.mask("masks/b.png")
    data_folder.pair("a")
    records = read(data_folder.path)
    assert [r.name for r in records] == ["images/a.png", "images/b.jpg"]
    assert [r.mask.name for r in records] == ["a.png", "b.png"]
    assert {(r.subject, r.boxes) for r in records} == {(None, None)}


@pytest.mark.parametrize("ending", ["_mask", "-mask", "_label", "_seg"])
def test_a_mask_may_carry_an_ending(data_folder, ending):
    data_folder.image("imgs/a.png")
    data_folder.mask(f"labels/a{ending}.tif")
    assert matches(data_folder.path)
    assert read(data_folder.path)[0].mask.name == f"a{ending}.tif"


def test_folders_within_pair_with_those_of_their_name(data_folder):
    for person in ("P1", "P2"):
        data_folder.image(f"Images/{person}/0.jpg")
        data_folder.mask(f"MASKS/{person}/0_mask.png")
    data_folder.text("Images/.cache/x.png", "x")
    assert matches(data_folder.path)
    records = read(data_folder.path)
    assert [r.name for r in records] == ["Images/P1/0.jpg", "Images/P2/0.jpg"]
    assert [r.mask.parent.name for r in records] == ["P1", "P2"]


def test_an_accent_may_be_written_in_two_ways(data_folder):
    data_folder.image(f"images/{unicodedata.normalize('NFD', 'Müller')}.png")
    data_folder.mask(f"masks/{unicodedata.normalize('NFC', 'Müller')}.png")
    assert len(read(data_folder.path)) == 1


def test_other_files_and_hidden_ones_are_passed_by(data_folder):
    data_folder.pair("a")
    data_folder.text("images/notes.txt", "x")
    data_folder.text("images/.a.png", "x")
    data_folder.text("masks/Thumbs.db", "x")
    assert len(read(data_folder.path)) == 1


def test_a_missing_mask_is_named_with_the_file_expected(data_folder):
    data_folder.pair("a")
    data_folder.image("images/b.png")
    with pytest.raises(InputError, match=r"images/b.png: no mask; expected .*masks/b.png \(all 0 where there is no"):
        read(data_folder.path)


def test_a_mask_without_an_image_is_named(data_folder):
    data_folder.pair("a")
    data_folder.mask("masks/b.png")
    with pytest.raises(InputError, match=r"masks/b.png: a mask without an image; .*or remove it"):
        read(data_folder.path)


def test_two_files_of_one_name_are_refused(data_folder):
    data_folder.pair("a")
    data_folder.image("images/a.bmp")
    with pytest.raises(InputError, match=r"a.png: a.bmp has the same name; keep one of the two"):
        read(data_folder.path)


def test_a_folder_without_images_is_named(data_folder):
    data_folder.mask("masks/a.png")
    data_folder.text("images/readme.md", "x")
    with pytest.raises(InputError, match="images: holds no image; expected PNG, JPEG, TIFF or BMP"):
        read(data_folder.path)
