"""nnU-Net raw: written by its documented rules, and read with what is there."""

import csv
import json
import re

import numpy as np
import pytest
from hostile import refused
from PIL import Image

from sononerve.data.convert import convert, target
from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.data.split import split
from sononerve.errors import InputError
from sononerve.frame import Frame, Sample

TOLD = {
    "channel_names": {"0": "US"},
    "labels": {"background": 0, "vessel": 2, "nerve": 1},
    "numTraining": 2,
    "file_ending": ".png",
}


@pytest.fixture
def raw(data_folder):
    """Two cases, one called like a channel."""
    for case in ("a", "a_0001"):
        data_folder.image(f"imagesTr/{case}_0000.png")
        data_folder.mask(f"labelsTr/{case}.png")
    data_folder.text("dataset.json", json.dumps(TOLD))
    return data_folder


def frames(subjects=6, each=2):
    """Named samples of several subjects, all different, with awkward names."""
    rng = np.random.default_rng(1)
    for subject in range(subjects):
        for i in range(each):
            labels = np.zeros((10, 12), np.uint8)
            labels[2:4, 3:6], labels[7, 7] = 1, 2
            frame = Frame(rng.integers(0, 256, (10, 12), dtype=np.uint8))
            yield f"images/s {subject}/ü.{i}.png", Sample(frame, labels, f"P{subject}")


@pytest.fixture
def dataset(tmp_path):
    """The same on disk."""
    LAYOUTS["manifest"].write(frames(), ("nerve", "vessel"), tmp_path / "src")
    return load_dataset(tmp_path / "src")


def check_raw(folder):
    """The rules of dataset_format.md and of `verify_dataset_integrity`, as far as PNG goes; the cases."""
    told = json.loads((folder / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= set(told)
    values = sorted(told["labels"].values())
    assert told["labels"]["background"] == 0
    assert values == list(range(len(values)))
    assert list(told["channel_names"]) == ["0"]
    ending = told["file_ending"]
    images = sorted(p.name for p in (folder / "imagesTr").iterdir())
    assert all(name.endswith(ending) for name in images)
    cases = sorted({name[: -len(ending) - 5] for name in images})  # as nnU-Net cuts the channel off
    for case in cases:
        assert [n for n in images if re.fullmatch(re.escape(case) + r"_\d\d\d\d" + re.escape(ending), n)] == [
            f"{case}_0000{ending}"
        ]
    assert sorted(p.name for p in (folder / "labelsTr").iterdir()) == [case + ending for case in cases]
    assert len(cases) == told["numTraining"]
    for case in cases:
        image, mask = (Image.open(folder / p) for p in (f"imagesTr/{case}_0000{ending}", f"labelsTr/{case}{ending}"))
        assert (image.mode, mask.mode) == ("L", "L")
        assert image.size == mask.size
        assert set(np.unique(np.asarray(mask))) <= set(values)
    return cases


def test_what_is_written_keeps_nnunets_rules(dataset, tmp_path):
    convert(dataset, target("nnunet", tmp_path / "raw"), tmp_path / "raw")
    cases = check_raw(tmp_path / "raw")
    assert len(cases) == 12
    assert all(re.fullmatch("[A-Za-z0-9_-]+", case) for case in cases)
    assert not (tmp_path / "raw" / "splits_final.json").exists()


def test_names_lead_back(dataset, tmp_path):
    convert(dataset, LAYOUTS["nnunet"], tmp_path / "raw")
    with (tmp_path / "raw" / "names.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["original"] for row in rows} == set(dataset.names)
    assert {row["name"] for row in rows} == set(load_dataset(tmp_path / "raw").names)
    assert {row["subject"] for row in rows} == {f"P{i}" for i in range(6)}


def test_a_hold_out_becomes_train_val_and_a_test_set_apart(dataset, tmp_path):
    division = split(dataset)
    names = convert(dataset, LAYOUTS["nnunet"], tmp_path / "raw", division)
    cases = check_raw(tmp_path / "raw")
    lists = json.loads((tmp_path / "raw" / "splits_final.json").read_text())
    case = {old: new.split("/")[1].removesuffix("_0000.png") for new, old, _ in names.given}
    fold = division.fold(0)
    assert lists == [{"train": [case[n] for n in fold.fit], "val": [case[n] for n in fold.tune]}]
    assert sorted(lists[0]["train"] + lists[0]["val"]) == cases
    held_out = {case[n] for n in fold.test}
    assert {p.name for p in (tmp_path / "raw" / "imagesTs").iterdir()} == {f"{c}_0000.png" for c in held_out}
    assert {p.name for p in (tmp_path / "raw" / "labelsTs").iterdir()} == {f"{c}.png" for c in held_out}
    assert len(load_dataset(tmp_path / "raw")) == 12


def test_with_several_folds_all_cases_train_and_a_folds_test_is_in_neither_list(dataset, tmp_path):
    division = split(dataset, folds=3)
    convert(dataset, LAYOUTS["nnunet"], tmp_path / "raw", division)
    cases = check_raw(tmp_path / "raw")
    lists = json.loads((tmp_path / "raw" / "splits_final.json").read_text())
    assert len(cases) == 12
    assert [len(set(cases) - set(f["train"]) - set(f["val"])) for f in lists] == [len(f.test) for f in division.folds]
    assert all(not set(f["train"]) & set(f["val"]) for f in lists)


def test_a_split_of_other_data_is_refused_before_anything_is_written(dataset, tmp_path):
    division = split(dataset)
    with pytest.raises(InputError, match="which the split lists; was the split made for this data"):
        convert(dataset.select(range(10)), LAYOUTS["nnunet"], tmp_path / "raw", division)
    assert not (tmp_path / "raw").exists()


def test_cases_and_classes_are_read_and_test_images_without_masks_left_alone(raw):
    raw.image("imagesTs/t_0000.png")
    dataset = load_dataset(raw.path)
    assert dataset.names == ["imagesTr/a_0000.png", "imagesTr/a_0001_0000.png"]
    assert dataset.classes == ("nerve", "vessel")
    raw.mask("labelsTs/t.png", 2)
    assert load_dataset(raw.path)[2].labels.max() == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"channel_names": {"0": "a", "1": "b"}}, "2 channels; expected one"),
        ({"file_ending": ".nii.gz"}, "file_ending is '.nii.gz'; expected one of .png"),
        ({"file_ending": "/../x.png"}, "file_ending is '/../x.png'"),
        ({"labels": {"background": 0, "nerve": 2}}, "without a gap"),
        ({"labels": {"background": 0}}, "without a gap"),
        ({"labels": {"background": 1, "nerve": 2}}, "without a gap"),
        ({"labels": {"background": 0, "whole": [1, 2]}}, "not nnU-Net's dataset.json"),
        ({"labels": {"background": 0, "nerve": -1}}, "not nnU-Net's dataset.json"),
        ({"file_ending": ".bmp"}, "holds no case"),
    ],
)
def test_a_description_that_cannot_be_is_refused(raw, change, fault):
    raw.text("dataset.json", json.dumps(TOLD | change))
    assert fault in refused(raw.path)


def test_one_alone_is_named(raw):
    (raw.path / "labelsTr/a.png").unlink()
    assert "imagesTr/a_0000.png: no mask; expected" in refused(raw.path)
    raw.mask("labelsTr/a.png")
    raw.mask("labelsTr/b.png")
    assert "labelsTr/b.png: a mask without an image; expected imagesTr/b_0000.png" in refused(raw.path)
    raw.image("imagesTr/b_0001.png")
    raw.mask("labelsTr/a_0001.png", 1)
    raw.image("imagesTr/b_0000.png")
    raw.path.joinpath("imagesTr/b_0000.png").unlink()
    raw.mask("labelsTr/b.png", 7)
    assert "unknown label value 7" in refused(raw.path)


@pytest.mark.parametrize("name", ["background", "ignore"])
def test_a_class_with_a_name_of_nnunets_own_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="a word of nnU-Net's own"):
        LAYOUTS["nnunet"].write(frames(1, 1), (name, "b"), tmp_path / "raw")
