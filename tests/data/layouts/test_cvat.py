"""CVAT for images: its shapes, no entities, and nothing outside of the folder."""

from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hostile import OUTSIDE, refused, surround
from pycocotools import mask as oracle

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.evaluate.boxes import truth_is_boxes
from sononerve.frame import Frame, Sample

META = (
    "<version>1.1</version><meta><task><id>1</id><mode>annotation</mode><labels>"
    "<label><name>nerve</name><color>#fff</color><attributes></attributes></label><label><name>vessel</name></label>"
    "</labels><owner><username>x</username></owner></task></meta>"
)
POLYGON = '<polygon label="nerve" occluded="0" points="4.00,3.00;20.50,5.00;17.00,19.25;6.00,12.00" z_order="0"/>'
BOX = '<box label="{}" occluded="0" xtl="4.00" ytl="2.00" xbr="14.00" ybr="7.00" z_order="{}"/>'
MASK = '<mask label="nerve" occluded="0" rle="1, 2, 3" left="{}" top="5" width="3" height="2" z_order="0"/>'


def cvat(data, inside, meta=META, name="a.png", head="", more=""):
    data.image("images/a.png")
    image = f'<image id="0" name={quoteattr(name)} width="32" height="24" {more}>{inside}</image>'
    start = '<?xml version="1.0" encoding="utf-8"?>\n'
    return data.text("annotations.xml", f"{start}{head}<annotations>{meta}{image}</annotations>")


def labels(data):
    return load_dataset(data.path)[0].labels


def test_polygons_are_filled_as_cvats_own_converter_does(data_folder):
    cvat(data_folder, POLYGON + '<tag label="seen"></tag>')
    rle = oracle.frPyObjects([[4.0, 3.0, 20.5, 5.0, 17.0, 19.25, 6.0, 12.0]], 24, 32)
    assert np.array_equal(labels(data_folder), oracle.decode(rle)[:, :, 0])


def test_a_mask_counts_along_the_rows_of_its_box_background_first(data_folder):
    cvat(data_folder, MASK.format(10))
    assert np.argwhere(labels(data_folder)).tolist() == [[5, 11], [5, 12]]


def test_boxes_are_filled_and_those_of_the_nerve_kept(data_folder):
    cvat(data_folder, BOX.format("vessel", 0) + BOX.format("nerve", 0))
    dataset = load_dataset(data_folder.path)
    assert dataset.records[0].boxes == ((4, 2, 10, 5),)
    assert dataset[0].labels.sum() == dataset[0].labels[2:7, 4:14].sum() == 50
    assert truth_is_boxes(dataset)


def test_labels_are_in_the_order_of_the_file_and_the_upper_shape_counts(data_folder):
    cvat(data_folder, BOX.format("vessel", 2) + BOX.format("nerve", 1))
    dataset = load_dataset(data_folder.path)
    assert dataset.classes == ("nerve", "vessel")
    assert (dataset[0].labels[2:7, 4:14] == 2).all()
    assert load_dataset(data_folder.path, classes=("vessel", "nerve"))[0].labels.max() == 1


def test_without_labels_in_the_file_those_met_are_the_classes(data_folder):
    cvat(data_folder, BOX.format("plexus", 0), meta="")
    assert load_dataset(data_folder.path).classes == ("plexus",)


def test_an_image_without_shapes_has_an_empty_mask(data_folder):
    cvat(data_folder, "")
    assert labels(data_folder).sum() == 0


@pytest.mark.parametrize("place", ["a.png", "images/a.png", "images/train/a.png"])
def test_images_are_found_where_cvat_puts_them(data_folder, place):
    cvat(data_folder, "", more='subset="train"')
    (data_folder.path / "images/a.png").unlink()
    data_folder.image(place)
    assert load_dataset(data_folder.path).names == [place]


@pytest.mark.parametrize("name", [name for name in OUTSIDE if "\0" not in name])
def test_no_name_leads_out(data_folder, name):
    cvat(data_folder, "", name=name)
    surround(data_folder)
    assert "leaves the data set's folder" in refused(data_folder.path)


@pytest.mark.parametrize("subset", ["..", "/etc", "../.."])
def test_no_subset_leads_out(data_folder, subset):
    cvat(data_folder, "", more=f'subset="{subset}"')
    (data_folder.path / "images/a.png").unlink()
    data_folder.image("../a.png")
    assert "leaves the data set's folder" in refused(data_folder.path)


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


@pytest.mark.parametrize(
    "head",
    [
        f'<!DOCTYPE annotations [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE annotations [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE annotations SYSTEM "http://localhost/a.dtd">',
        "<!DOCTYPE annotations>",
    ],
)
def test_document_types_and_entities_are_refused(data_folder, head):
    cvat(data_folder, "", head=head)
    assert "declares a document type or entities, which are refused" in refused(data_folder.path)


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        ('<polyline label="nerve" points="1,2;3,4"/>', "image 'a.png': a polyline; expected polygon, box, mask"),
        ('<ellipse label="nerve" cx="1" cy="2" rx="1" ry="1"/>', "a ellipse; expected"),
        ('<polygon points="1,2;3,4;5,6"/>', "a polygon without label"),
        ('<polygon label="nerve" points="1,2;3,4"/>', "fewer than three points"),
        ('<polygon label="nerve" points="1,2;3;5,6"/>', "no numbers"),
        ('<polygon label="nerve" points="1,2;nan,4;5,6"/>', "far behind"),
        ('<polygon label="nerve"/>', "no numbers"),
        ('<polygon label="nerve" points="1,2;3,4;5,6" z_order="top"/>', "z_order of polygon is 'top'"),
        ('<box label="nerve" xtl="1" ytl="1" xbr="x" ybr="5"/>', "xbr of box is 'x'; expected a number"),
        ('<box label="nerve" xtl="1" ytl="1" xbr="1e300" ybr="5"/>', "expected a place in the frame"),
        (BOX.format("nerve", 0).replace("occluded", 'rotation="30" occluded'), "a rotated box"),
        (BOX.format("plexus", 0), "a shape of the class 'plexus'; known are nerve, vessel"),
        (MASK.format(30), "outside of its frame of 32 x 24"),
        (MASK.format(-1), "outside of its frame"),
        (MASK.format("x"), "left of mask is 'x'"),
        (MASK.format(3).replace("1, 2, 3", "1, 2"), "another number of pixels than 3 x 2"),
        (MASK.format(3).replace("1, 2, 3", "99999999999999999999"), "another number of pixels"),
        (MASK.format(3).replace("1, 2, 3", "a"), "no numbers"),
        (MASK.format(3).replace('width="3"', 'width="900000"'), "outside of its frame"),
    ],
)
def test_a_shape_that_cannot_be_is_named(data_folder, inside, fault):
    file = cvat(data_folder, inside)
    told = refused(data_folder.path)
    assert fault in told
    assert str(file) in told


def test_videos_damage_and_nothing_are_told_apart(data_folder):
    file = data_folder.text("annotations.xml", '<annotations><track id="0" label="nerve"></track></annotations>')
    assert "is 'CVAT for video'; export it as 'CVAT for images 1.1'" in refused(data_folder.path)
    data_folder.text("annotations.xml", "<annotations><image></annotations>")
    assert f"{file}: not CVAT's XML" in refused(data_folder.path)
    data_folder.text("annotations.xml", "<annotations></annotations>")
    assert "lists no images" in refused(data_folder.path)
    data_folder.text("annotations.xml", "<annotations>" + "<a>" * 100_000)
    assert "not CVAT's XML" in refused(data_folder.path)
    cvat(data_folder, "", more='id="1"')
    assert "not CVAT's XML" in refused(data_folder.path)
    cvat(data_folder, "")
    data_folder.text("more.xml", "<annotations/>")
    assert "found annotations.xml, more.xml" in refused(data_folder.path, "cvat")


def test_what_is_written_is_read_by_the_definition(tmp_path):
    drawn = np.zeros((9, 11), np.uint8)
    drawn[2:5, 3:6], drawn[4:8, 5:11], drawn[8, 0] = 1, 2, 2
    sample = Sample(Frame(np.zeros((9, 11), np.uint8)), drawn)
    LAYOUTS["cvat"].write([("b & <c>.png", sample)], ("nerve", "vessel"), tmp_path / "out")
    root = ElementTree.parse(tmp_path / "out" / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [label.findtext("name") for label in root.findall("meta/task/labels/label")] == ["nerve", "vessel"]
    (image,) = root.findall("image")
    assert (image.get("width"), image.get("height")) == ("11", "9")
    assert (tmp_path / "out" / "images" / image.get("name")).is_file()
    found = np.zeros((9, 11), np.uint8)
    for mask in image.findall("mask"):
        left, top, width, height = (int(mask.get(key)) for key in ("left", "top", "width", "height"))
        bits = [i % 2 for i, n in enumerate(map(int, mask.get("rle").split(","))) for _ in range(n)]
        patch = np.array(bits).reshape(height, width)
        found[top : top + height, left : left + width][patch > 0] = {"nerve": 1, "vessel": 2}[mask.get("label")]
    assert np.array_equal(found, drawn)
