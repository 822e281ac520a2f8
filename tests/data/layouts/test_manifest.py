"""manifest.csv: everything it can tell, and no way out of its folder."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from clips import number_in, write_numbered
from dicoms import region, ultrasound
from dicoms import write as write_dicom

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts.manifest import read
from sononerve.errors import InputError
from sononerve.evaluate.boxes import truth_is_boxes

FULL = "image,mask,subject,video,frame,boxes_xywh,spacing,annotator,probe"


@pytest.fixture
def filled(data_folder):
    for name in "ab":
        data_folder.image(f"images/{name}.png")
        data_folder.mask(f"masks/{name}.png")
    return data_folder


def refuse(folder, fault):
    with pytest.raises(InputError) as refused:
        read(folder.path)
    assert fault in str(refused.value)
    assert str(folder.path / "manifest.csv") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_column_is_read_and_further_ones_are_ignored(filled):
    row = 'images/a.png,masks/a.png,P7,clip 3,17,"[[1, 2, 3.5, 4], [5, 6, 7, 8]]","0.08,0.1",human,L12'
    filled.manifest(row, header=FULL)
    (record,) = read(filled.path)
    assert (record.name, record.subject, record.video, record.index) == ("images/a.png", "P7", "clip 3", 17)
    assert (record.image, record.mask) == (filled.path / "images/a.png", filled.path / "masks/a.png")
    assert record.boxes == ((1, 2, 3.5, 4), (5, 6, 7, 8))
    assert (record.spacing_mm, record.annotator) == ((0.08, 0.1), "human")


def test_empty_cells_are_unknown_and_a_frame_without_boxes_has_none(filled):
    filled.manifest("images/a.png,masks/a.png,,,,,,,", header=FULL)
    (record,) = read(filled.path)
    assert (record.subject, record.video, record.index, record.spacing_mm, record.annotator) == (None,) * 5
    assert record.boxes == ()


def test_without_the_column_boxes_are_not_known_at_all(filled):
    filled.manifest("images/a.png,masks/a.png")
    assert read(filled.path)[0].boxes is None


@pytest.mark.parametrize(
    ("text", "spacing"), [("0.1", (0.1, 0.1)), ('"0.1, 0.2"', (0.1, 0.2)), ("0.1;0.2", (0.1, 0.2))]
)
def test_spacing_is_one_number_or_row_and_column(filled, text, spacing):
    filled.manifest(f"images/a.png,masks/a.png,{text}", header="image,mask,spacing")
    assert read(filled.path)[0].spacing_mm == spacing


@pytest.mark.parametrize(("start", "end"), [("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n")])
def test_files_of_excel_and_windows_are_read(filled, start, end):
    lines = ["image,mask,subject", "images\\a.png,masks\\a.png,1", "images/b.png,masks/b.png,2", ""]
    filled.text("manifest.csv", start + end.join(lines))
    assert [(r.name, r.subject) for r in read(filled.path)] == [("images/a.png", "1"), ("images/b.png", "2")]
    assert all(r.image.is_file() and r.mask.is_file() for r in read(filled.path))


@pytest.mark.parametrize("column", ["image", "mask"])
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../secret.png",
        "images/../../secret.png",
        "..\\secret.png",
        "C:\\scans\\a.png",
        "\\\\host\\a.png",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(filled, column, path):
    (filled.path.parent / "secret.png").write_bytes((filled.path / "images/a.png").read_bytes())
    row = f"{path},masks/a.png" if column == "image" else f"images/a.png,{path}"
    filled.manifest("images/b.png,masks/b.png", row)
    refuse(filled, f"line 3: {path!r} leaves the manifest's folder")


def test_a_link_that_leaves_the_folder_is_refused_and_one_that_stays_is_not(filled):
    secret = filled.path.parent / "secret.png"
    secret.write_bytes((filled.path / "images/a.png").read_bytes())
    (filled.path / "images/inner.png").symlink_to(filled.path / "images/a.png")
    filled.manifest("images/inner.png,masks/a.png")
    assert len(read(filled.path)) == 1
    (filled.path / "images/outer.png").symlink_to(secret)
    filled.manifest("images/outer.png,masks/a.png")
    refuse(filled, "leaves the manifest's folder")


def test_a_folder_named_by_a_way_up_is_read(filled, monkeypatch):
    filled.manifest("images/a.png,masks/a.png")
    monkeypatch.chdir(filled.path / "images")
    (record,) = read(Path("..") / ".." / filled.path.name)
    assert record.name == "images/a.png"


def test_a_folder_that_is_itself_reached_by_a_link_is_read(filled, tmp_path):
    filled.manifest("images/a.png,masks/a.png")
    (tmp_path / "link").symlink_to(filled.path)
    assert len(read(tmp_path / "link")) == 1


@pytest.mark.parametrize(
    ("boxes", "fault"),
    [
        ("left", "boxes_xywh is 'left'; expected a JSON list"),
        ("[1, 2, 3, 4]", "expected a JSON list"),
        ("7", "expected a JSON list"),
        ("[[1, 2, 3]]", "expected [x, y, width, height]"),
        ("[[1, 2, 0, 4]]", "expected [x, y, width, height]"),
        ("[[1, 2, 3, -4]]", "expected [x, y, width, height]"),
        ("[[NaN, 2, 3, 4]]", "expected [x, y, width, height]"),
        ("[[1, 2, 3, Infinity]]", "expected [x, y, width, height]"),
        (f"[[1, 2, 3, 1{'0' * 400}]]", "expected a JSON list"),
        ("[" * 100_000, "expected a JSON list"),
    ],
)
def test_bad_boxes_are_refused_with_the_line(filled, boxes, fault):
    filled.manifest(f'images/a.png,masks/a.png,"{boxes}"', header="image,mask,boxes_xywh")
    refuse(filled, fault)
    refuse(filled, "line 2")


@pytest.mark.parametrize("spacing", ["fine", "0", "-0.1", "nan", '"0.1,0.1,0.1"', '"0,08"', "1000"])
def test_bad_spacing_is_refused_with_the_line(filled, spacing):
    filled.manifest(f"images/a.png,masks/a.png,{spacing}", header="image,mask,spacing")
    refuse(filled, "line 2: spacing is")


@pytest.mark.parametrize("frame", ["first", "-1", "1.5"])
def test_a_bad_frame_number_is_refused(filled, frame):
    filled.manifest(f"images/a.png,masks/a.png,{frame}", header="image,mask,frame")
    refuse(filled, f"line 2: frame is '{frame}'; expected its number")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("picture,mask\nimages/a.png,masks/a.png\n", "no column image"),
        ("image;mask\nimages/a.png;masks/a.png\n", "...: it is separated by semicolons, save it with commas"),
        ("Image,Mask\nimages/a.png,masks/a.png\n", "expected image, mask, ..., found Image, Mask"),
        ("", "no column image, mask"),
        ("image,mask\n", "no rows"),
        ("image,mask\nimages/a.png,\n", "line 2: no mask for images/a.png"),
        ("image,mask\nimages/a.png\n", "line 2: no mask for images/a.png"),
        ("image,mask\n,masks/a.png\n", "line 2: no image"),
        ("image,mask\nimages/\0.png,masks/a.png\n", "leaves the manifest's folder"),
        ("image,mask\n" + 2 * "images/a.png,masks/a.png\n", "images/a.png is listed twice"),
        ("image,mask\nimages/a.png,masks/a.png\nimages/./a.png,masks/b.png\n", "images/a.png is listed twice"),
        ("image,mask\nimages/ä.png,masks/a.png\n".encode("latin-1"), "not a CSV file in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_is_refused(filled, content, fault):
    filled.text("manifest.csv", content)
    refuse(filled, fault)


def test_no_table_says_which(data_folder):
    refuse(data_folder, "no such file")


# Files of many frames


@pytest.fixture
def clip(filled):
    """Beside the frames of `filled` a clip of 20 numbered frames."""
    write_numbered(filled.path / "clips/v.mp4", 20)
    return filled


def test_a_row_of_a_clip_is_the_frame_of_its_number(clip):
    clip.manifest("clips/v.mp4,masks/a.png,17", "clips/v.mp4,masks/b.png,3", header="image,mask,frame")
    records = read(clip.path)
    assert [r.name for r in records] == ["clips/v.mp4#17", "clips/v.mp4#3"]
    assert [(r.place, r.index, r.video) for r in records] == [(17, 17, "clips/v.mp4"), (3, 3, "clips/v.mp4")]


def test_of_a_picture_the_column_frame_is_only_its_number_in_a_clip(filled):
    filled.manifest("images/a.png,masks/a.png,17", header="image,mask,frame")
    (record,) = read(filled.path)
    assert (record.name, record.place, record.index) == ("images/a.png", None, 17)


def test_one_frame_of_a_clip_may_not_stand_twice(clip):
    clip.manifest("clips/v.mp4,masks/a.png,17", "clips/v.mp4,masks/b.png,17", header="image,mask,frame")
    refuse(clip, "clips/v.mp4#17 is listed twice")


@pytest.mark.parametrize("header", ["image,mask", "image,mask,frame"])
def test_of_a_clip_the_frame_must_be_said(clip, header):
    clip.manifest("clips/v.mp4,masks/a.png" + "," * (header.count(",") - 1), header=header)
    refuse(clip, "line 2: v.mp4 holds many frames; expected the number of one in the column frame")


def test_masks_may_be_frames_of_a_file_too(clip):
    labels = np.zeros((160, 32, 20), np.uint8)
    labels[4:9, 2:6, 17] = 1
    nib.save(nib.Nifti1Image(labels, np.eye(4)), clip.path / "masks/v.nii.gz")
    clip.manifest("clips/v.mp4,masks/v.nii.gz,17", "clips/v.mp4,masks/v.nii.gz,3", header="image,mask,frame")
    dataset = load_dataset(clip.path)
    assert dataset.present.tolist() == [True, False]
    assert np.array_equal(dataset[0].labels, labels[:, :, 17].T)
    assert number_in(dataset[0].frame.pixels) == 17


def test_dicom_and_nifti_are_images_of_a_row(filled):
    frames = np.stack([np.full((24, 32), 50 * i, np.uint8) for i in range(3)])
    write_dicom(filled.path / "d/IM0001", ultrasound(frames, SequenceOfUltrasoundRegions=[region(0.008)]))
    write_dicom(filled.path / "d/one.dcm", ultrasound(frames[:1]))
    volume = nib.Nifti1Image(frames.T, np.diag([0.1, 0.2, 1, 1]))
    volume.header.set_xyzt_units("mm")
    nib.save(volume, filled.path / "d/n.nii.gz")
    rows = [f"{name},masks/a.png,2," for name in ("d/IM0001", "d/one.dcm", "d/n.nii.gz")]
    filled.manifest(*rows, "d/n.nii.gz,masks/a.png,1,0.4", header="image,mask,frame,spacing")
    dataset = load_dataset(filled.path)
    assert dataset.names == ["d/IM0001#2", "d/one.dcm", "d/n.nii.gz#2", "d/n.nii.gz#1"]
    assert [int(sample.frame.pixels[0, 0]) for sample in dataset] == [100, 0, 100, 50]
    spacings = [record.spacing_mm for record in dataset.records]
    assert spacings == [pytest.approx((0.08, 0.08)), None, (0.2, 0.1), (0.4, 0.4)]  # the table before the file
    assert [sample.frame.spacing_mm for sample in dataset] == spacings


def test_a_given_spacing_is_that_of_what_does_not_know_its_own(filled):
    filled.manifest("images/a.png,masks/a.png,0.1", "images/b.png,masks/b.png,", header="image,mask,spacing")
    dataset = load_dataset(filled.path, spacing_mm=(0.5, 0.25))
    assert [sample.frame.spacing_mm for sample in dataset] == [(0.1, 0.1), (0.5, 0.25)]


# Boxes instead of a mask


@pytest.mark.parametrize("header", ["image,mask,boxes_xywh", "image,boxes_xywh"])
def test_where_there_is_no_mask_boxes_are_filled(filled, header):
    empty = "," if "mask" in header else ""
    filled.manifest(f'images/a.png,{empty}"[[3, 4, 10, 5]]"', f'images/b.png,{empty}"[]"', header=header)
    dataset = load_dataset(filled.path)
    assert dataset[0].labels.sum() == dataset[0].labels[4:9, 3:13].sum() == 50
    assert dataset.present.tolist() == [True, False]
    assert truth_is_boxes(dataset)


def test_a_mask_is_believed_before_boxes(filled):
    filled.manifest('images/a.png,masks/a.png,"[[3, 4, 10, 5]]"', header="image,mask,boxes_xywh")
    dataset = load_dataset(filled.path)
    assert dataset[0].labels.sum() == 20
    assert not truth_is_boxes(dataset)


# Spacing in two columns


@pytest.mark.parametrize(("row", "expected"), [("0.1,0.2", (0.1, 0.2)), (",", None)])
def test_spacing_in_two_columns(filled, row, expected):
    filled.manifest(f"images/a.png,masks/a.png,{row}", header="image,mask,spacing_row_mm,spacing_col_mm")
    assert read(filled.path)[0].spacing_mm == expected


@pytest.mark.parametrize("row", ["0.1,", ",0.1", "0,0.1", "x,0.1", "-1,0.1"])
def test_half_a_spacing_is_refused(filled, row):
    filled.manifest(f"images/a.png,masks/a.png,{row}", header="image,mask,spacing_row_mm,spacing_col_mm")
    refuse(filled, "expected mm per pixel")
