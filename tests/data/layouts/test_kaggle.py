"""Kaggle's names: subject and number in the file's, masks beside or in a table."""

import numpy as np
import pytest
from PIL import Image

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.data.layouts.kaggle import matches, read
from sononerve.errors import InputError
from sononerve.frame import Frame, Sample

HEADER = "subject,img,pixels\n"


def test_subject_and_number_come_from_the_name(data_folder):
    for stem in ("3_12", "3_2", "40_1"):
        data_folder.image(f"{stem}.tif")
        data_folder.mask(f"{stem}_mask.tif", 255)
    found = {(r.name, r.subject, r.index, r.mask.name) for r in read(data_folder.path)}
    assert ("3_12.tif", "3", 12, "3_12_mask.tif") in found
    assert {(subject, index) for _, subject, index, _ in found} == {("3", 12), ("3", 2), ("40", 1)}


def test_endings_in_capitals_are_read(data_folder):
    for name in ("1_1.tif", "1_2.TIF"):
        data_folder.image(name)
    data_folder.mask("1_1_MASK.TIF", 255)
    data_folder.mask("1_2_mask.tif", 255)
    assert [(r.name, r.mask.name) for r in read(data_folder.path)] == [
        ("1_1.tif", "1_1_MASK.TIF"),
        ("1_2.TIF", "1_2_mask.tif"),
    ]


@pytest.mark.parametrize("names", [("1_1.tif", "1_1.TIF"), ("1_1_mask.tif", "1_1_mask.TIF")])
def test_names_that_differ_in_capitals_alone_are_refused(data_folder, names):
    data_folder.image("1_1.tif")
    for name in names:
        data_folder.mask(name, 255)
    with pytest.raises(InputError, match="has the same name; keep one of the two"):
        read(data_folder.path)


def test_masks_of_255_are_nerve(data_folder):
    data_folder.image("1_1.tif")
    data_folder.mask("1_1_mask.tif", 255)
    dataset = load_dataset(data_folder.path)
    assert dataset.layout == "kaggle"
    assert dataset.classes == ("nerve",)
    assert dataset[0].labels.sum() == 20


def test_without_mask_files_the_table_is_read(data_folder):
    data_folder.image("1_1.tif")
    data_folder.image("1_2.tif")
    data_folder.text("train_masks.csv", HEADER + "1,1,2 3 25 1\n1,2,\n")
    dataset = load_dataset(data_folder.path)
    labels = dataset[0].labels
    assert np.argwhere(labels).tolist() == [[0, 1], [1, 0], [2, 0], [3, 0]]  # 24 rows: pixel 25 tops column 1
    assert dataset[1].labels.sum() == 0
    assert dataset.present.tolist() == [True, False]


def test_a_mask_file_goes_before_the_table(data_folder):
    data_folder.image("1_1.tif")
    data_folder.mask("1_1_mask.tif", 255)
    data_folder.text("train_masks.csv", HEADER + "1,1,1 2\n")
    assert load_dataset(data_folder.path)[0].labels.sum() == 20


@pytest.mark.parametrize("table", ["train_masks.csv", "train/train_masks.csv"])
def test_frames_may_lie_in_train_and_the_table_in_either_folder(data_folder, table):
    data_folder.image("train/7_1.tif")
    data_folder.image("test/1.tif")
    data_folder.text(table, "\ufeff" + HEADER.replace("\n", "\r\n") + "7,1,1 2\r\n")
    assert matches(data_folder.path)
    dataset = load_dataset(data_folder.path)
    assert dataset.names == ["train/7_1.tif"]
    assert dataset.records[0].subject == "7"
    assert dataset[0].labels.sum() == 2


def test_a_frame_without_any_mask_is_named(data_folder):
    data_folder.image("1_1.tif")
    with pytest.raises(InputError, match=r"1_1.tif: no mask; expected 1_1_mask.tif beside it or a row in train_masks"):
        read(data_folder.path)


def test_a_mask_without_its_frame_is_named(data_folder):
    data_folder.image("1_1.tif")
    data_folder.mask("1_1_mask.tif", 255)
    data_folder.mask("1_2_mask.tif", 255)
    with pytest.raises(InputError, match=r"1_2_mask.tif: a mask without an image"):
        read(data_folder.path)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("subject,image,pixels\n1,1,\n", "no column img"),
        (HEADER + "1,1\n", "line 2: cut off"),
        ((HEADER + "1,1,\n").encode("utf-16"), "not a CSV file in UTF-8"),
        (HEADER + "1,1," + "1 1 " * 50_000, "not a CSV file"),
    ],
)
def test_a_damaged_table_is_named(data_folder, table, fault):
    data_folder.image("1_1.tif")
    data_folder.text("train_masks.csv", table)
    with pytest.raises(InputError, match=rf"train_masks.csv.*{fault}"):
        read(data_folder.path)


def test_runs_of_another_size_name_table_and_frame(data_folder):
    data_folder.image("1_1.tif")
    data_folder.text("train_masks.csv", HEADER + "1,1,700 100\n")
    with pytest.raises(InputError, match=r"train_masks.csv, 1_1.tif: .*runs leave the frame of 768 pixels"):
        load_dataset(data_folder.path)


def named(*entries):
    """Samples of (name, subject, index), each with another block of labels 1 and a pixel of 2."""
    for place, (name, subject, index) in enumerate(entries):
        labels = np.zeros((8, 9), np.uint8)
        labels[1 : 3 + place % 4, 2:5], labels[7, 8] = 1, 2
        pixels = np.full((8, 9), place, np.uint8)
        yield name, Sample(Frame(pixels), labels, subject, index=index)


def written(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_frames_are_written_under_kaggles_names(tmp_path):
    entries = [("a.png", "7", 12), ("b.png", "7", 2), ("c.png", "12", 2)]
    LAYOUTS["kaggle"].write(named(*entries), ("nerve", "vessel"), tmp_path / "out")
    frames = {"train/7_12", "train/7_2", "train/12_2"}
    files = {f"{f}.tif" for f in frames} | {f"{f}_mask.tif" for f in frames}
    assert written(tmp_path / "out") == files | {"train_masks.csv", "names.csv", "classes.txt"}
    with Image.open(tmp_path / "out/train/7_2_mask.tif") as mask:
        assert mask.mode == "L"
        assert set(np.unique(np.asarray(mask))) == {0, 255}
    records = load_dataset(tmp_path / "out").records
    assert {(r.subject, r.index) for r in records} == {("7", 12), ("7", 2), ("12", 2)}


def test_the_table_says_the_same_as_the_masks(tmp_path):
    LAYOUTS["kaggle"].write(named(("a.png", "7", 1), ("b.png", "8", 1)), ("nerve",), tmp_path / "out")
    by_files = load_dataset(tmp_path / "out")
    masks = [by_files[i].labels for i in range(2)]
    for mask in (tmp_path / "out/train").glob("*_mask.tif"):
        mask.unlink()
    by_table = load_dataset(tmp_path / "out")
    assert all(np.array_equal(by_table[i].labels, masks[i]) for i in range(2))
    assert (tmp_path / "out/train_masks.csv").read_text().startswith("subject,img,pixels\n7,1,18 2 26 2 34 2\n")


def test_subjects_with_names_and_numbers_that_are_taken_get_new_ones(tmp_path):
    entries = [("a", "Ann", 1), ("b", "Bob", 1), ("c", "2", 1), ("d", "Ann", 1), ("e", "Ann", None), ("f", "007", 0)]
    names = LAYOUTS["kaggle"].write(named(*entries), ("nerve",), tmp_path / "out")
    new = {old: path for path, old, _ in names.given}
    assert new == {
        "a": "train/1_1.tif",
        "b": "train/2_1.tif",
        "c": "train/3_1.tif",
        "d": "train/1_2.tif",
        "e": "train/1_3.tif",
        "f": "train/4_0.tif",
    }
    assert "train/3_1.tif,c,2\n" in (tmp_path / "out/names.csv").read_text()


def test_a_hold_out_goes_to_test_without_masks_and_names(tmp_path):
    entries = [("a", "7", 1), ("b", "8", 1), ("c", "9", 1)]
    folds = [{"fit": ("a",), "tune": ("b",), "test": ("c",)}]
    LAYOUTS["kaggle"].write(named(*entries), ("nerve",), tmp_path / "out", folds)
    assert {f for f in written(tmp_path / "out") if f.startswith("test")} == {"test/1.tif"}
    assert load_dataset(tmp_path / "out").names == ["train/7_1.tif", "train/8_1.tif"]
    assert (tmp_path / "out/solution.csv").read_text() == "img,pixels\n1,18 4 26 4 34 4\n"


def test_a_frame_without_subject_and_several_folds_are_refused(tmp_path):
    with pytest.raises(InputError, match="b: has no subject, and Kaggle's names need one"):
        LAYOUTS["kaggle"].write(named(("a", "7", 1), ("b", None, 1)), ("nerve",), tmp_path / "out")
    fold = {"fit": ("a",), "tune": (), "test": ()}
    with pytest.raises(InputError, match="the split has 2 folds; expected one hold-out"):
        LAYOUTS["kaggle"].write(named(("a", "7", 1)), ("nerve",), tmp_path / "out", [fold, fold])
    assert not (tmp_path / "out").exists()
