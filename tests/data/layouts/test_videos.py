"""videos/ beside a table of boxes or a folder of masks: only labelled frames, each by its number, nothing decoded."""

import cv2
import nibabel as nib
import numpy as np
import pytest
from clips import number_in, numbered, write_clip, write_numbered

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import find_layout
from sononerve.data.layouts.masks import FilledBoxes
from sononerve.data.layouts.videos import matches, read
from sononerve.errors import InputError
from sononerve.evaluate.boxes import truth_is_boxes
from sononerve.io import video

HEADER = "video,subject,frame,annotator,boxes_xywh"


@pytest.fixture
def clips(data_folder):
    """Two clips of 30 and 20 numbered frames, 32 x 160."""
    write_numbered(data_folder.path / "videos/a.mp4", 30)
    write_numbered(data_folder.path / "videos/b.avi", 20)
    return data_folder


def boxes(folder, *rows, header=HEADER):
    return folder.text("video_boxes.csv", "\n".join([header, *rows]) + "\n")


def mask_of(number, size=(32, 160)):
    """A mask whose nerve begins in the column of its number."""
    labels = np.zeros(size, np.uint8)
    labels[4:9, number : number + 6] = 1
    return labels


def refuse(folder, fault):
    with pytest.raises(InputError) as refused:
        read(folder.path)
    assert fault in str(refused.value)
    assert "\n" not in str(refused.value)


# Boxes


def test_a_row_is_a_frame_with_its_boxes_filled(clips):
    boxes(clips, 'a,P1,17,human,"[[3, 4, 10, 5], [100, 2, 7, 3]]"', 'b,P2,0,csrt,"[]"', "a,P1,3,human,")
    dataset = load_dataset(clips.path)
    assert dataset.layout == "videos"
    assert dataset.names == ["videos/a.mp4#17", "videos/b.avi#0", "videos/a.mp4#3"]
    assert dataset.areas[:, 0].tolist() == [(50 + 21) / (32 * 160), 0, 0]
    sample = dataset[0]
    assert number_in(sample.frame.pixels) == 17
    assert (sample.subject, sample.video, sample.index, sample.annotator) == ("P1", "a", 17, "human")
    assert sample.frame.time_s == pytest.approx(17 / 25)
    assert sample.boxes.tolist() == [[3, 4, 10, 5], [100, 2, 7, 3]]
    assert sample.labels.sum() == 71
    assert sample.labels[4:9, 3:13].all()
    assert dataset[1].boxes.shape == dataset[2].boxes.shape == (0, 4)
    assert truth_is_boxes(dataset)


def test_boxes_are_cut_at_the_frames_borders_and_may_be_halves(clips):
    boxes(clips, 'a,,0,,"[[-5, -5, 10, 10], [150.4, 25.6, 100, 100]]"')
    labels = load_dataset(clips.path)[0].labels
    expected = np.zeros((32, 160), np.uint8)
    expected[:5, :5] = 1
    expected[26:, 150:] = 1
    assert np.array_equal(labels, expected)


def test_a_clip_is_known_with_and_without_its_ending(clips):
    boxes(clips, 'a.mp4,,1,,"[]"', 'b,,1,,"[]"')
    assert [r.video for r in read(clips.path)] == ["a", "b"]


def test_spacing_may_stand_in_the_table(clips):
    boxes(clips, 'a,1,"[]",0.1,0.2', 'b,1,"[]",,', header="video,frame,boxes_xywh,spacing_row_mm,spacing_col_mm")
    assert [r.spacing_mm for r in load_dataset(clips.path, spacing_mm=(0.5, 0.5)).records] == [(0.1, 0.2), (0.5, 0.5)]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (['c,,1,,"[]"'], "line 2: video is 'c', frame '1'; expected the name of a clip"),
        (['../videos/a,,1,,"[]"'], "line 2: video is '../videos/a'"),
        (['a,,,,"[]"'], "and a number from 0"),
        (['a,,-1,,"[]"'], "frame is '-1'"),
        (['a,,1.5,,"[]"'], "frame is '1.5'"),
        (['a,,1,,"[]"', 'a,,1,,"[]"'], "line 3: videos/a.mp4#1 is listed twice"),
        (['a,,1,,"[3]"'], "line 2: boxes_xywh is '[3]'"),
        ([], "no rows"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_the_line(clips, rows, fault):
    boxes(clips, *rows)
    refuse(clips, fault)


def test_a_table_without_its_columns_is_refused(clips):
    boxes(clips, "a,1", header="video,frame")
    refuse(clips, "no column boxes_xywh; expected video, frame, boxes_xywh")


def test_a_frame_behind_the_end_is_refused_on_opening(clips):
    boxes(clips, 'a,,30,,"[]"')
    with pytest.raises(InputError, match=r"videos/a.mp4: no frame 30; it holds 30, counted from 0"):
        load_dataset(clips.path)


def test_a_box_outside_of_its_frame_is_refused_on_opening(clips):
    boxes(clips, 'a,,1,,"[[170, 2, 3, 4]]"')
    with pytest.raises(InputError, match=r"videos/a.mp4#1: the box .* lies outside of its frame of 160 x 32"):
        load_dataset(clips.path)


# Masks


def test_a_mask_per_labelled_frame(clips):
    for number in (17, 4):
        clips.save(f"masks/a/{number:06}.png", mask_of(number))
    clips.save("masks/b/0.png", mask_of(0) * 0)
    dataset = load_dataset(clips.path)
    assert dataset.names == ["videos/a.mp4#4", "videos/a.mp4#17", "videos/b.avi#0"]
    assert dataset.present.tolist() == [True, True, False]
    for sample, number in zip(dataset, (4, 17, 0), strict=True):
        assert number_in(sample.frame.pixels) == sample.index == number
        assert sample.boxes is None
    assert np.array_equal(dataset[1].labels, mask_of(17))


def test_a_nifti_of_masks_labels_every_frame(clips):
    masks = np.stack([mask_of(number) for number in range(30)], -1).swapaxes(0, 1)
    (clips.path / "masks").mkdir()
    nib.save(nib.Nifti1Image(masks, np.eye(4)), clips.path / "masks/a.nii.gz")
    dataset = load_dataset(clips.path)
    assert dataset.names == [f"videos/a.mp4#{number}" for number in range(30)]
    assert np.array_equal(dataset[23].labels, mask_of(23))
    assert number_in(dataset[23].frame.pixels) == 23


def test_a_video_of_masks_labels_every_frame(clips):
    write_clip(clips.path / "masks/b.mp4", [mask_of(number * 4) * 255 for number in range(20)])
    dataset = load_dataset(clips.path)
    assert len(dataset) == 20
    for number in (0, 7, 19):
        found, expected = dataset[number].labels > 0, mask_of(number * 4) > 0
        assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.8  # of 5 x 6 pixels, compressed


def test_pages_of_masks_label_a_clip_of_pages(data_folder):
    from tifffile import imwrite

    for folder in ("videos", "masks"):
        (data_folder.path / folder).mkdir()
    frames = np.stack([numbered(number) for number in range(6)])
    imwrite(data_folder.path / "videos/a.tif", frames, photometric="minisblack")
    imwrite(data_folder.path / "masks/a.tif", np.stack([mask_of(n) for n in range(6)]), photometric="minisblack")
    dataset = load_dataset(data_folder.path)
    assert [number_in(sample.frame.pixels) for sample in dataset] == list(range(6))
    assert np.array_equal(dataset[5].labels, mask_of(5))


def test_too_few_masks_for_a_clip_are_refused(clips):
    write_clip(clips.path / "masks/b.mp4", [mask_of(0)] * 19)
    refuse(clips, "19 masks for the 20 frames of b.avi; expected one for each")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("masks/c/000001.png", "masks/c: masks without a clip"),
        ("masks/a/first.png", "first.png: its name is not a frame's number; expected 000017.png"),
        ("masks/a/-1.png", "its name is not a frame's number"),
    ],
)
def test_masks_of_nothing_are_refused(clips, name, fault):
    clips.save("masks/a/000002.png", mask_of(2))
    clips.save(name, mask_of(2))
    refuse(clips, fault)


def test_a_mask_of_another_size_is_named(clips):
    clips.save("masks/a/000002.png", mask_of(2, (20, 30)))
    with pytest.raises(InputError, match=r"masks/a/000002.png: the mask is 30 x 20, its frame a.mp4 is 160 x 32"):
        load_dataset(clips.path)


def test_a_nifti_mask_of_another_size_is_named(clips):
    (clips.path / "masks").mkdir()
    nib.save(nib.Nifti1Image(np.zeros((32, 160, 30), np.uint8), np.eye(4)), clips.path / "masks/a.nii")
    with pytest.raises(InputError, match=r"masks/a.nii, videos/a.mp4#0: the mask is 32 x 160, its frame 160 x 32"):
        load_dataset(clips.path)


def test_two_clips_of_one_name_are_refused(clips):
    write_numbered(clips.path / "videos/a.avi", 3)
    boxes(clips, 'a,,1,,"[]"')
    refuse(clips, "a.avi has the same name; keep one of the two")


# What matches


def test_clips_alone_and_masks_of_others_do_not_match(clips):
    assert not matches(clips.path)
    clips.save("masks/other.png", mask_of(1))
    assert not matches(clips.path)
    clips.save("masks/a/000001.png", mask_of(1))
    assert matches(clips.path)


def test_forced_without_labels_it_says_what_it_expects(clips):
    refuse(clips, "no labels for videos/; expected a table video_boxes.csv or a folder masks/")


# Lazy


def test_opening_reads_one_header_per_clip_and_decodes_nothing(data_folder, monkeypatch):
    rows = []
    for number in range(12):
        write_clip(data_folder.path / f"videos/{number}.mp4", [numbered(i) for i in range(4)])
        rows += [f'{number},{number},{frame},,"[[1, 2, 30, 4]]"' for frame in range(4)]
    boxes(data_folder, *rows)
    opened, real = [], video._open
    monkeypatch.setattr(video, "_open", lambda path: opened.append(path) or real(path))
    monkeypatch.setattr(cv2.VideoCapture, "grab", lambda _: pytest.fail("decoded"), raising=False)
    monkeypatch.setattr(video, "_reader", lambda _: pytest.fail("decoded"))
    dataset = load_dataset(data_folder.path)
    assert len(dataset) == 48
    assert len(opened) == 12
    assert dataset.present.all()


# Real clips


def test_brachial_plexus_is_a_manifest_and_its_clips_are_found_by_name(shared_data):
    folder = shared_data / "brachial-plexus"
    assert matches(folder)
    assert find_layout(folder) == "manifest"
    dataset = load_dataset(folder, "videos")
    assert len(dataset) == 747
    assert {record.video for record in dataset.records} == {"4215", "8018", "8402", "9005"}
    assert all(isinstance(record.mask, FilledBoxes) for record in dataset.records)
    assert truth_is_boxes(dataset)


def test_frames_of_clips_agree_with_those_exported_to_the_manifest(shared_data):
    """Masks filled here are those that were filled there; pictures differ by JPEG alone."""
    folder = shared_data / "brachial-plexus"
    exported = load_dataset(folder)
    by_number = {(r.video, r.index): i for i, r in enumerate(exported.records)}
    clips = load_dataset(folder, "videos")
    pairs = [(i, by_number[r.video, r.index]) for i, r in enumerate(clips.records) if (r.video, r.index) in by_number]
    assert len(pairs) > 40
    for i, j in pairs[::4]:
        assert np.array_equal(clips[i].labels, exported[j].labels)
        assert np.abs(clips[i].frame.pixels.astype(int) - exported[j].frame.pixels).mean() < 1
