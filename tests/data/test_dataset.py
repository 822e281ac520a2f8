"""A data set is opened with one look at every mask, and each wrong file is named."""

import numpy as np
import pytest
from PIL import Image

from sononerve.data.dataset import load_dataset
from sononerve.errors import InputError


@pytest.fixture
def three(data_folder):
    for stem, value in (("P1_a", 1), ("P1_b", 0), ("P2_a", 1)):
        data_folder.pair(stem, value)
    return data_folder


def test_frames_come_in_order_with_masks_shares_and_sizes(three):
    dataset = load_dataset(three.path)
    assert (len(dataset), dataset.layout, dataset.classes) == (3, "folders", ("nerve",))
    assert dataset.names == ["images/P1_a.png", "images/P1_b.png", "images/P2_a.png"]
    assert dataset.areas[:, 0].tolist() == pytest.approx([20 / 768, 0, 20 / 768])
    assert dataset.present.tolist() == [True, False, True]
    assert dataset.sizes.tolist() == [[24, 32]] * 3
    sample = dataset[2]
    assert np.array_equal(sample.frame.pixels, np.asarray(Image.open(three.path / "images/P2_a.png")))
    assert np.argwhere(sample.labels).min(0).tolist() == [8, 10]


def test_masks_of_0_1_and_0_255_may_stand_side_by_side(three):
    three.pair("P3_a", 255)
    dataset = load_dataset(three.path)
    assert dataset[3].labels.max() == 1
    assert dataset.areas[3] == dataset.areas[0]


def test_1_and_255_in_one_mask_are_both_counted(data_folder):
    data_folder.image("images/a.png")
    labels = np.zeros((24, 32), np.uint8)
    labels[0, :10], labels[1, :6] = 1, 255
    data_folder.save("masks/a.png", labels)
    dataset = load_dataset(data_folder.path)
    assert dataset[0].labels.sum() == 16
    assert dataset.areas[0, 0] == pytest.approx(16 / 768)


def test_every_class_has_its_share(three):
    three.pair("P4_a", 3)
    dataset = load_dataset(three.path)
    assert dataset.classes == ("nerve", "vessel", "class 3")
    assert dataset.areas[3].tolist() == pytest.approx([0, 0, 20 / 768])


@pytest.mark.parametrize("box", ["[40, 2, 3, 4]", "[1, 24, 3, 4]", "[-9, 2, 3, 4]", "[1, -9, 3, 4]"])
def test_a_box_outside_of_its_frame_is_refused_with_its_frame(data_folder, box):
    data_folder.pair("a")
    data_folder.manifest(f'images/a.png,masks/a.png,"[{box}]"', header="image,mask,boxes_xywh")
    with pytest.raises(InputError, match=r"images/a.png: the box .* lies outside of its frame of 32 x 24"):
        load_dataset(data_folder.path, "manifest")


def test_boxes_and_spacing_of_a_manifest_reach_the_sample(data_folder):
    data_folder.image("a.png")
    data_folder.mask("b.png")
    data_folder.manifest('a.png,b.png,"[[1, 2, 3, 4]]",0.1', header="image,mask,boxes_xywh,spacing")
    sample = load_dataset(data_folder.path)[0]
    assert sample.boxes.tolist() == [[1, 2, 3, 4]]
    assert sample.frame.spacing_mm == (0.1, 0.1)


def test_a_selection_keeps_frames_areas_and_sizes_together(three):
    dataset = load_dataset(three.path)
    chosen = dataset.select([2, 1])
    assert chosen.names == ["images/P2_a.png", "images/P1_b.png"]
    assert chosen.present.tolist() == [True, False]
    assert np.array_equal(chosen[0].frame.pixels, dataset[2].frame.pixels)


def test_progress_counts_to_the_end(three):
    told = []
    load_dataset(three.path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


# Subjects


def test_a_pattern_finds_subjects_in_names(three):
    dataset = load_dataset(three.path, subject_pattern="^images/(P[0-9]+)_")
    assert [r.subject for r in dataset.records] == ["P1", "P1", "P2"]
    assert dataset[2].subject == "P2"


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("(", "not a regular expression"),
        ("P[0-9]+", r"finds no subject in images/P1_a.png; expected one \(group\)"),
        ("(Q[0-9])", "finds no subject in images/P1_a.png"),
        ("(Q)?P", "finds no subject in images/P1_a.png"),
    ],
)
def test_a_pattern_that_finds_nothing_says_where(three, pattern, fault):
    with pytest.raises(InputError, match=f"--subject-pattern .*{fault}"):
        load_dataset(three.path, subject_pattern=pattern)


# Classes


def test_names_are_read_from_classes_txt(three):
    three.text("classes.txt", "\ufeffmedian nerve\r\n\r\nartery \r\n")
    assert load_dataset(three.path).classes == ("median nerve", "artery")


def test_given_classes_go_before_classes_txt(three):
    three.text("classes.txt", "a\nb\n")
    assert load_dataset(three.path, classes=("ulnar nerve",)).classes == ("ulnar nerve",)


def test_assumed_classes_stand_in_for_classes_txt_alone(three):
    assert load_dataset(three.path, assumed_classes=("ulnar",)).classes == ("ulnar",)
    three.text("classes.txt", "median\n")
    assert load_dataset(three.path, assumed_classes=("ulnar",)).classes == ("median",)


@pytest.mark.parametrize("content", ["", "nerve\nnerve\n", "größe".encode("latin-1")])
def test_a_bad_classes_txt_is_named(three, content):
    three.text("classes.txt", content)
    with pytest.raises(InputError, match=r"classes.txt: "):
        load_dataset(three.path)


def test_too_few_classes_name_the_mask_and_the_value(three):
    three.pair("P9_x", 2)
    with pytest.raises(InputError, match=r"masks/P9_x.png: unknown label value 2; expected 0, 1 .*--classes"):
        load_dataset(three.path, classes=("nerve",))


# Wrong files


def test_a_mask_of_another_size_is_named_with_both_sizes(three):
    three.mask("masks/P1_b.png", size=(32, 24))
    with pytest.raises(InputError, match=r"masks/P1_b.png: the mask is 24 x 32, its frame P1_b.png is 32 x 24; export"):
        load_dataset(three.path)


@pytest.mark.parametrize("name", ["images/P1_b.png", "masks/P1_b.png"])
def test_a_file_that_is_no_image_is_named(three, name):
    three.text(name, "not an image")
    with pytest.raises(InputError, match=rf"{name}: not an image"):
        load_dataset(three.path)


def test_a_file_of_the_manifest_that_is_missing_is_named(data_folder):
    data_folder.mask("b.png")
    data_folder.manifest("a.png,b.png")
    with pytest.raises(InputError, match=r"a.png: no such file"):
        load_dataset(data_folder.path)


def test_a_frame_cut_off_is_named_when_it_is_decoded(three):
    file = three.path / "images/P1_a.png"
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"images/P1_a.png: cannot be decoded, the file is damaged"):
        load_dataset(three.path)[0]


# Real frames


def test_usgra_seg_is_185_frames_of_nerve_and_vessel(usgra):
    assert (len(usgra), usgra.layout, usgra.classes) == (185, "folders", ("nerve", "vessel"))
    assert {tuple(size) for size in usgra.sizes.tolist()} == {(512, 534), (512, 512), (632, 761)}
    assert {record.subject for record in usgra.records} == {None}


def test_brachial_plexus_is_950_frames_of_26_subjects(shared_data):
    dataset = load_dataset(shared_data / "brachial-plexus")
    assert (len(dataset), dataset.layout) == (950, "manifest")
    assert len({record.subject for record in dataset.records}) == 26
    assert len({record.video for record in dataset.records}) == 98
    assert sum(record.boxes == () for record in dataset.records) == 176
    sample = dataset[0]
    x, y, width, height = sample.boxes[0].astype(int)
    assert sample.labels[y : y + height, x : x + width].mean() > 0.9
