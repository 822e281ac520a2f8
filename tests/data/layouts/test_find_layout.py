"""A layout is found by itself, or named; two at once, none, and unknown names get one sentence."""

import json
import os

import pytest

from sononerve.cli.options import LAYOUT_NAMES, WRITABLE_NAMES
from sononerve.data.layouts import LAYOUTS, find_layout
from sononerve.errors import InputError


def folders(data):
    data.pair("1")


def kaggle(data):
    data.image("1_1.tif")
    data.mask("1_1_mask.tif", 255)


def manifest(data):
    data.image("a.png")
    data.mask("b.png")
    data.manifest("a.png,b.png")


def coco(data):
    data.image("images/a.png")
    images = [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}]
    data.text("annotations/a.json", json.dumps({"images": images, "annotations": [], "categories": []}))


def labelme(data):
    data.image("a.png")
    data.text("a.json", json.dumps({"version": "5", "shapes": [], "imagePath": "a.png"}))


def nnunet(data):
    data.image("imagesTr/a_0000.png")
    data.mask("labelsTr/a.png")
    told = {"channel_names": {"0": "x"}, "labels": {"background": 0, "nerve": 1}, "numTraining": 1}
    data.text("dataset.json", json.dumps(told | {"file_ending": ".png"}))


def cvat(data):
    data.image("images/a.png")
    data.text("annotations.xml", '<annotations><image id="0" name="a.png" width="32" height="24"/></annotations>')


def label_studio(data):
    data.image("a.png")
    data.text("export.json", json.dumps([{"id": 1, "annotations": [{"result": []}], "data": {"image": "a.png"}}]))


def videos(data):
    data.image("videos/clip.tif")
    data.mask("masks/clip/000000.png")


WRITERS = {
    "videos": videos,
    "folders": folders,
    "kaggle": kaggle,
    "manifest": manifest,
    "coco": coco,
    "labelme": labelme,
    "nnunet": nnunet,
    "cvat": cvat,
    "label-studio": label_studio,
}


def test_every_layout_of_the_registry_is_tested_here():
    assert set(WRITERS) == set(LAYOUTS)


@pytest.mark.parametrize("name", WRITERS)
def test_each_is_found_by_itself_and_by_name(data_folder, name):
    WRITERS[name](data_folder)
    assert find_layout(data_folder.path) == name
    assert find_layout(data_folder.path, name) == name
    assert len(LAYOUTS[name].read(data_folder.path)) == 1


@pytest.mark.parametrize(("first", "second"), [("kaggle", "folders"), ("manifest", "kaggle")])
def test_two_at_once_must_be_told_apart(data_folder, first, second):
    WRITERS[first](data_folder)
    WRITERS[second](data_folder)
    with pytest.raises(InputError, match=f"looks like {first} and {second} at once; say which with --layout"):
        find_layout(data_folder.path)
    assert find_layout(data_folder.path, second) == second


@pytest.mark.parametrize("listed", [folders, videos])
def test_a_manifest_is_believed_before_the_folders_it_lists(data_folder, listed):
    listed(data_folder)
    data_folder.manifest("images/1.png,masks/1.png")
    assert find_layout(data_folder.path) == "manifest"


def test_a_file_that_lists_the_frames_is_believed_before_folders_called_images_and_annotations(data_folder):
    coco(data_folder)
    assert find_layout(data_folder.path) == "coco"


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_other_programs_are_not_taken_for_a_data_set(data_folder, name):
    for file, content in {
        "split.json": {"version": 2, "grouping": "subject", "folds": []},
        "package.json": {"name": "x", "files": ["a"]},
        "list.json": [1, 2, 3],
        "empty.json": {},
    }.items():
        data_folder.text(file, json.dumps(content))
    data_folder.text("page.xml", "<html/>")
    os.mkfifo(data_folder.path / "pipe.json")
    data_folder.text("damaged.json", b"\xff\xfe{")
    assert not LAYOUTS[name].matches(data_folder.path)
    WRITERS[name](data_folder)
    assert find_layout(data_folder.path) == name


def test_an_empty_folder_is_called_so_with_what_was_expected(data_folder):
    with pytest.raises(InputError, match=r"data: is empty; expected .*manifest.csv.*SUBJECT_N.tif.*images/"):
        find_layout(data_folder.path)


def test_a_folder_of_something_else_is_called_so(data_folder):
    data_folder.image("a.png")
    with pytest.raises(InputError, match="data: holds no data set that is known; expected"):
        find_layout(data_folder.path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_layout(tmp_path / "nowhere")


def test_an_unknown_name_lists_the_known_ones(data_folder):
    folders(data_folder)
    with pytest.raises(
        InputError, match="--layout cocoa: unknown; expected one of manifest, videos, kaggle, folders, coco"
    ):
        find_layout(data_folder.path, "cocoa")


@pytest.mark.parametrize("name", WRITERS)
def test_a_layout_forced_on_another_folder_says_what_it_expected(data_folder, name):
    data_folder.text("notes.txt", "nothing here")
    with pytest.raises(InputError, match="expected"):
        LAYOUTS[find_layout(data_folder.path, name)].read(data_folder.path)


def test_the_command_line_names_every_layout():
    assert set(LAYOUT_NAMES) == set(LAYOUTS)
    assert set(WRITABLE_NAMES) == {name for name, layout in LAYOUTS.items() if layout.writer is not None}
