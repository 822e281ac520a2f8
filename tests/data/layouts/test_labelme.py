"""LabelMe: its shapes drawn as it draws them, an image for each file and a file for each image."""

import base64
import io
import json

import numpy as np
import pytest
from hostile import OUTSIDE, refused, surround
from PIL import Image, ImageDraw

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.evaluate.boxes import truth_is_boxes
from sononerve.frame import Frame, Sample

POLYGON = [[4, 3], [20.5, 5], [17, 19.25], [6, 12]]


def shape(points, kind="polygon", label="nerve", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def labelme(data, shapes, stem="a", **more):
    data.image(f"{stem}.png")
    told = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{stem.split('/')[-1]}.png"}
    return data.text(f"{stem}.json", json.dumps(told | {"imageData": None, "imageHeight": 24, "imageWidth": 32} | more))


def png(mask):
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


def drawn(draw):
    """What LabelMe's own `shape_to_mask` makes of a shape."""
    picture = Image.new("L", (32, 24))
    draw(ImageDraw.Draw(picture))
    return np.asarray(picture) > 0


def labels(data, **more):
    return load_dataset(data.path, **more)[0].labels


def test_polygons_rectangles_and_circles_are_drawn_with_their_outline(data_folder):
    labelme(data_folder, [shape(POLYGON)])
    points = [tuple(p) for p in POLYGON]
    assert np.array_equal(labels(data_folder) == 1, drawn(lambda d: d.polygon(points, fill=1, outline=1)))
    labelme(data_folder, [shape([[10, 9], [3, 2]], "rectangle")])
    assert np.array_equal(labels(data_folder) == 1, drawn(lambda d: d.rectangle((3, 2, 10, 9), fill=1)))
    assert load_dataset(data_folder.path).records[0].boxes == ((3, 2, 8, 8),)
    assert truth_is_boxes(load_dataset(data_folder.path))
    labelme(data_folder, [shape([[15, 12], [15, 16]], "circle")])
    assert np.array_equal(labels(data_folder) == 1, drawn(lambda d: d.ellipse((11, 8, 19, 16), fill=1)))


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_lies_between_its_corners(data_folder, value):
    small = np.array([[1, 0, 1], [0, 1, 1]], np.uint8) * value
    labelme(data_folder, [shape([[5.0, 7.0], [7.0, 8.0]], "mask", mask=png(small))])
    expected = np.zeros((24, 32), np.uint8)
    expected[7:9, 5:8] = small > 0
    assert np.array_equal(labels(data_folder), expected)


@pytest.mark.parametrize("corner", [(-1, -1), (30, 22), (-1, 22), (40, 40), (-9, -9)])
def test_of_a_mask_that_hangs_over_the_border_the_rest_is_cut_off(data_folder, corner):
    small = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], np.uint8)
    x, y = corner
    labelme(data_folder, [shape([[x, y], [x + 2, y + 2]], "mask", mask=png(small))])
    wide = np.zeros((24 + 100, 32 + 100), np.uint8)
    wide[50 + y : 53 + y, 50 + x : 53 + x] = small
    assert np.array_equal(labels(data_folder), wide[50:74, 50:82])


def test_names_of_classes_are_those_met_nerve_first_or_those_given(data_folder):
    shapes = [shape(POLYGON, label="artery"), shape(POLYGON, label="nerve")]
    labelme(data_folder, shapes)
    assert load_dataset(data_folder.path).classes == ("nerve", "artery")
    assert labels(data_folder).max() == 1  # drawn later
    assert labels(data_folder, classes=("artery", "vein", "nerve")).max() == 3
    assert "a shape of the class 'artery'; known are nerve" in refused(data_folder.path, classes=("nerve",))
    assert load_dataset(data_folder.path, assumed_classes=("artery", "nerve", "vein")).classes == (
        "artery",
        "nerve",
        "vein",
    )
    data_folder.text("classes.txt", "artery\nnerve\n")
    assert load_dataset(data_folder.path).classes == ("artery", "nerve")


def test_without_shapes_there_is_no_nerve(data_folder):
    labelme(data_folder, [])
    assert load_dataset(data_folder.path).classes == ("nerve",)
    assert not load_dataset(data_folder.path).present.any()


def test_an_image_without_a_file_is_named_and_so_is_a_file_without_an_image(data_folder):
    labelme(data_folder, [], "sub/a")
    data_folder.image("sub/b.png")
    assert "sub/b.png: no JSON file; expected b.json beside it" in refused(data_folder.path)
    (data_folder.path / "sub/b.png").unlink()
    (data_folder.path / "sub/a.png").unlink()
    assert "sub/a.png: no such file" in refused(data_folder.path)


def test_the_image_may_be_called_like_the_file(data_folder):
    """Where ``imagePath`` is that of the machine on which it was drawn, in a folder of the same name or none."""
    labelme(data_folder, [], imagePath="scans/old name.jpg")
    assert load_dataset(data_folder.path).names == ["a.png"]


def test_two_files_about_one_image_are_refused(data_folder):
    labelme(data_folder, [])
    labelme(data_folder, [], "b", imagePath="a.png")
    assert "b.json: is about a.png, as a.json is" in refused(data_folder.path)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_image_path_leads_out(data_folder, name):
    labelme(data_folder, [], "sub/a", imagePath=name)
    (data_folder.path / "sub/a.png").unlink()
    surround(data_folder)
    (data_folder.path / "sub/link").symlink_to(data_folder.path.parent)
    assert "leaves the data set's folder" in refused(data_folder.path, "labelme")


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (shape(POLYGON[:2]), "a polygon of 2 points; expected 3 or more"),
        (shape([]), "a polygon of 0 points"),
        (shape([], "rectangle"), "a rectangle of 0 points; expected 2"),
        (shape(POLYGON, "rectangle"), "a rectangle of 4 points; expected 2"),
        (shape(POLYGON[:1], "circle"), "a circle of 1 points; expected 2"),
        (shape([[0, 0], [9e5, 9e5]], "circle"), "far behind"),
        (shape([[0, 0], [5, 5]], "line"), "not LabelMe's JSON (shapes.0.shape_type"),
        (shape([[0, 0], [5, 5]], "mask"), "without mask"),
        (shape([[0, 0], [5, 5]], "mask", mask="!"), "no PNG in base64"),
        (shape([[0, 0], [5, 5]], "mask", mask="AAAA"), "no PNG in base64"),
        (shape([[0, 0], [5, 5]], "mask", mask=png(np.zeros((3, 3), np.uint8))), "3 x 3 pixels between corners 6 x 6"),
        (shape([[0, 0], [9999, 9999]], "mask", mask=png(np.zeros((3, 3), np.uint8))), "between corners"),
        (shape([[5, 5], [0, 0]], "mask", mask=png(np.zeros((3, 3), np.uint8))), "between corners"),
        (shape([[0, 0]], "mask", mask=png(np.zeros((3, 3), np.uint8))), "a mask of 1 points"),
        (shape([[0, 0], [1e300, 0], [0, 5]]), "not LabelMe's JSON"),
        (shape(POLYGON, label=""), "not LabelMe's JSON"),
    ],
)
def test_a_shape_that_cannot_be_is_named(data_folder, spoilt, fault):
    file = labelme(data_folder, [spoilt])
    told = refused(data_folder.path)
    assert fault in told
    assert str(file) in told


def test_a_mask_that_unpacks_into_too_many_pixels_is_refused(data_folder):
    large = png(np.zeros((3000, 3000), np.uint8))
    labelme(data_folder, [shape([[0, 0], [2999, 2999]], "mask", mask=large)])
    assert "a mask of 3000 x 3000 pixels" in refused(data_folder.path)


def test_what_is_written_is_what_labelme_draws(tmp_path):
    """By LabelMe's `shapes_to_label`: a mask is laid between its corners, both within."""
    drawn = np.zeros((9, 11), np.uint8)
    drawn[2:5, 3:6], drawn[4:8, 5:11] = 1, 2
    sample = Sample(Frame(np.zeros((9, 11), np.uint8)), drawn)
    LAYOUTS["labelme"].write([("a.png", sample)], ("nerve", "vessel"), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "a.json").read_text())
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("a.png", 9, 11)
    found = np.zeros((9, 11), np.uint8)
    for entry in content["shapes"]:
        (x1, y1), (x2, y2) = np.array(entry["points"]).astype(int)
        small = np.array(Image.open(io.BytesIO(base64.b64decode(entry["mask"]))))
        found[y1 : y2 + 1, x1 : x2 + 1][small > 0] = {"nerve": 1, "vessel": 2}[entry["label"]]
    assert np.array_equal(found, drawn)
