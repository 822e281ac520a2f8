"""From layout to layout: what is lost is counted, and the verb tells it before it writes."""

import json

import numpy as np
import pytest

from sononerve.data import phantom
from sononerve.data.convert import convert, losses, target
from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.data.split import split
from sononerve.errors import InputError

WRITABLE = [name for name, layout in LAYOUTS.items() if layout.writer is not None]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A phantom of four subjects with nerve and vessel."""
    folder = tmp_path_factory.mktemp("convert") / "frames"
    phantom.write(phantom.PhantomConfig(subjects=4, frames=2, height=48, width=56, empty=0.4), folder)
    return folder


def test_what_a_layout_has_no_place_for_is_counted_by_frames(drawn):
    dataset = load_dataset(drawn)
    known = {"subject": 8, "video": 8, "frame number": 8, "spacing": 8, "boxes": 8}
    vessels = int((dataset.areas[:, 1] > 0).sum())
    assert losses(dataset, LAYOUTS["coco"]) == {}
    assert losses(dataset, LAYOUTS["cvat"]) == known
    lost = known | {"further classes": vessels}
    assert losses(dataset, LAYOUTS["kaggle"]) == {k: n for k, n in lost.items() if k not in ("subject", "frame number")}


def test_a_test_part_that_is_written_without_masks_is_counted(drawn):
    dataset = load_dataset(drawn)
    division = split(dataset)
    assert losses(dataset, LAYOUTS["kaggle"], division)["mask and subject in the test part"] == len(
        division.fold(0).test
    )
    assert losses(dataset, LAYOUTS["nnunet"], division) == losses(dataset, LAYOUTS["nnunet"])


def test_subjects_that_kaggle_numbers_anew_are_counted(data_folder):
    data_folder.pair("P1_a")
    dataset = load_dataset(data_folder.path, subject_pattern="(P1)")
    assert losses(dataset, LAYOUTS["kaggle"]) == {"subject by name": 1}
    assert losses(dataset, LAYOUTS["folders"]) == {"subject": 1}


def test_frame_numbers_that_need_the_video_are_counted_where_it_is_lost(data_folder):
    data_folder.image("a.png")
    data_folder.mask("m.png")
    rows = [
        f"{name}.png,m.png,7,{video},{number}" for name, video, number in (("a", "x", 1), ("b", "y", 1), ("c", "x", 2))
    ]
    for name in "bc":
        data_folder.image(f"{name}.png")
    data_folder.manifest(*rows, header="image,mask,subject,video,frame")
    assert losses(load_dataset(data_folder.path), LAYOUTS["kaggle"]) == {"video": 3, "frame number": 1}


def test_shapes_of_two_classes_that_overlap_are_told(data_folder):
    data_folder.image("a.png")
    shapes = [[[2, 2], [9, 9]], [[8, 8], [12, 12]], [[15, 15], [20, 20]]]
    names = ("nerve", "vessel", "vessel")
    told = [{"label": n, "points": p, "shape_type": "rectangle"} for n, p in zip(names, shapes, strict=True)]
    data_folder.text("a.json", json.dumps({"shapes": told, "imagePath": "a.png"}))
    assert losses(load_dataset(data_folder.path), LAYOUTS["coco"]) == {"overlap of shapes (the later counts)": 1}
    data_folder.text("a.json", json.dumps({"shapes": [told[0], told[2]], "imagePath": "a.png"}))
    assert losses(load_dataset(data_folder.path), LAYOUTS["coco"]) == {}


@pytest.mark.parametrize("first", WRITABLE)
@pytest.mark.parametrize("second", WRITABLE)
def test_any_layout_becomes_any_other(drawn, tmp_path, first, second):
    dataset = load_dataset(drawn)
    convert(dataset, LAYOUTS["kaggle"] if first == "kaggle" else LAYOUTS[first], tmp_path / "first")
    between = load_dataset(tmp_path / "first", subject_pattern=None if "subject" in LAYOUTS[first].holds else r"(\d+)_")
    names = convert(between, LAYOUTS[second], tmp_path / "second")
    found = load_dataset(tmp_path / "second")
    for new, old, _ in names.given:
        one, other = found[found.names.index(new)], between[between.names.index(old)]
        assert np.array_equal(one.frame.pixels, other.frame.pixels)
        assert np.array_equal(one.labels, other.labels if second != "kaggle" else other.labels == 1)


def test_the_verb_tells_what_is_lost_and_where_the_names_went(cli, drawn, tmp_path):
    status, said, _ = cli("convert", drawn, "--to", "cvat", "--out", tmp_path / "out")
    assert status == 0
    first, last = said.replace("\n", " ").split("8 frames in ")
    assert first.startswith("cvat cannot hold: subject of 8 frame(s); video of 8 frame(s)")
    assert last.strip() == str(tmp_path / "out")
    assert load_dataset(tmp_path / "out").layout == "cvat"


def test_the_verb_answers_programs_in_json(cli, drawn, tmp_path):
    cli("split", drawn, "--out", tmp_path / "split.json")
    target, division = tmp_path / "out", tmp_path / "split.json"
    status, said, told = cli("convert", drawn, "--to", "nnunet", "--out", target, "--split", division, "--json")
    assert status == 0
    assert json.loads(said) == {
        "out": str(tmp_path / "out"),
        "layout": "nnunet",
        "frames": 8,
        "lost": {"subject": 8, "video": 8, "frame number": 8, "spacing": 8, "boxes": 8},
        "renamed": 8,
        "split": "by subject",
    }
    assert "nnunet cannot hold: subject of 8 frame(s)" in told
    assert len(json.loads((tmp_path / "out" / "splits_final.json").read_text())) == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--to", "yolo"], "--to yolo: unknown, or only read; expected one of manifest, kaggle, folders, coco"),
        (["--to", "coco", "--split", "split.json"], "--split: the layout coco has no place for one"),
        (["--to", "nnunet", "--split", "nowhere.json"], "nowhere.json"),
        (["--to", "coco", "--layout", "kaggle"], "expected frames named SUBJECT_N.tif"),
        (["--to", "nnunet", "--classes", "background,x"], "a word of nnU-Net's own"),
        (["--to", "coco", "--classes", "nerve"], "unknown label value 2"),
    ],
)
def test_bad_options_are_one_sentence_and_nothing_is_written(cli, drawn, tmp_path, options, fault, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli("split", drawn, "--out", "split.json")
    status, _, error = cli("convert", drawn, "--out", tmp_path / "new" / "out", *options)
    assert status == 2
    assert fault in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())


def test_what_is_there_is_not_touched(cli, drawn, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    status, _, error = cli("convert", drawn, "--to", "coco", "--out", tmp_path)
    assert (status, list(tmp_path.iterdir())) == (2, [tmp_path / "mine.txt"])
    assert "is there already and not an empty folder" in error


def test_a_place_below_a_file_is_refused(cli, drawn, tmp_path):
    (tmp_path / "file").write_text("mine")
    status, _, error = cli("convert", drawn, "--to", "coco", "--out", tmp_path / "file" / "out")
    assert status == 2
    assert f"{tmp_path / 'file'} is a file, not a folder" in error


def test_a_layout_that_is_only_read_is_no_target(monkeypatch, tmp_path):
    monkeypatch.setitem(LAYOUTS, "mine", LAYOUTS["coco"].__class__(lambda _: False, lambda _: [], "mine"))
    with pytest.raises(InputError, match="--to mine: unknown, or only read"):
        target("mine", tmp_path / "out")
    with pytest.raises(InputError, match="cannot be written"):
        LAYOUTS["mine"].write([], ("nerve",), tmp_path / "out")
