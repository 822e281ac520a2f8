"""Label Studio: places in hundredths, images by the names of their files, one annotation a task."""

import json

import numpy as np
import pytest
from hostile import OUTSIDE, refused, surround
from pycocotools import mask as oracle

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.io.brush import encode

SIZE = {"original_width": 32, "original_height": 24, "image_rotation": 0}
POLYGON = [[25.0, 12.5], [75.0, 25.0], [50.0, 75.0]]


def result(kind, label="nerve", **value):
    return {"id": "x", "from_name": "l", "to_name": "i", "type": kind, "value": value | {kind: [label]}} | SIZE


def task(results, image="/data/upload/3/a.png", **more):
    return {"id": 5, "annotations": [{"id": 6, "result": results} | more], "data": {"image": image}, "predictions": []}


def export(data, *tasks):
    data.image("a.png")
    return data.text("project-1-at-2026.json", json.dumps(list(tasks)))


def labels(data):
    return load_dataset(data.path)[0].labels


def brush(mask):
    return result("brushlabels", format="rle", rle=list(encode(mask)))


def test_brushes_polygons_and_rectangles_are_read(data_folder):
    mask = np.zeros((24, 32), bool)
    mask[3:9, 4:20] = True
    export(data_folder, task([brush(mask)]))
    assert np.array_equal(labels(data_folder) == 1, mask)
    export(data_folder, task([result("polygonlabels", points=POLYGON)]))
    theirs = oracle.frPyObjects([[8.0, 3.0, 24.0, 6.0, 16.0, 18.0]], 24, 32)
    assert np.array_equal(labels(data_folder), oracle.decode(theirs)[:, :, 0])
    export(data_folder, task([result("rectanglelabels", x=25.0, y=12.5, width=50.0, height=25.0, rotation=0)]))
    dataset = load_dataset(data_folder.path)
    assert dataset[0].labels.sum() == dataset[0].labels[3:9, 8:24].sum() == 96
    assert dataset.records[0].boxes == ((8, 3, 16, 6),)


def test_a_label_may_come_in_a_result_of_its_own(data_folder):
    shape = {"points": POLYGON}
    plain = {"id": "r", "type": "polygon", "value": shape} | SIZE
    label = {"id": "r", "type": "labels", "value": shape | {"labels": ["vessel"]}} | SIZE
    export(data_folder, task([plain, label]))
    assert load_dataset(data_folder.path).classes == ("vessel",)
    export(data_folder, task([plain]))
    assert "a region of type 'polygon' with the labels None" in refused(data_folder.path)


def test_what_is_no_region_is_passed_by(data_folder):
    choice = {"type": "choices", "value": {"choices": ["good"]}, "from_name": "q", "to_name": "i"}
    export(data_folder, task([choice, {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}]))
    assert labels(data_folder).sum() == 0


@pytest.mark.parametrize(
    "address",
    [
        "a.png",
        "/data/upload/3/a.png",
        "/data/upload/3/0a1b2c3d-a.png",
        "https://example.org/x/y/a.png?sig=1%2F2",
        "s3://bucket/deep/a.png",
        "/data/local-files/?d=somewhere/else/a.png",
        "upload/a.png",
        "%61.png",
    ],
)
def test_images_are_found_by_the_names_of_their_files(data_folder, address):
    export(data_folder, task([], image=address))
    assert load_dataset(data_folder.path).names == ["a.png"]


def test_a_path_below_the_folder_tells_files_of_one_name_apart(data_folder):
    for place in ("x/a.png", "y/a.png"):
        data_folder.image(place)
    tasks = [task([], image=f"/data/local-files/?d={place}/a.png") for place in "xy"]
    data_folder.text("e.json", json.dumps(tasks))
    assert load_dataset(data_folder.path).names == ["x/a.png", "y/a.png"]
    data_folder.text("e.json", json.dumps([task([], image="https://h/a.png")]))
    assert "2 files called 'a.png' below" in refused(data_folder.path)


def test_the_image_may_have_another_key(data_folder):
    entry = task([])
    entry["data"] = {"ref": 5, "scan": "/data/upload/1/a.png", "note": "x"}
    export(data_folder, entry)
    assert load_dataset(data_folder.path).names == ["a.png"]
    entry["data"] = {"note": "x"}
    export(data_folder, entry)
    assert "task 1: data has no image" in refused(data_folder.path)


@pytest.mark.parametrize(
    "address", [*OUTSIDE, "/data/local-files/?d=../secret.png", "/data/local-files/?d=/etc/passwd"]
)
def test_no_address_leads_out(data_folder, address):
    export(data_folder, task([], image=address))
    surround(data_folder)
    told = refused(data_folder.path)
    assert "leaves the data set's folder" in told or "no file called" in told


@pytest.mark.parametrize("address", ["https://h/../secret.png", "https://h/..", "https://h/", "http://[::1/a"])
def test_an_address_that_names_no_file_here_is_refused(data_folder, address):
    export(data_folder, task([], image=address))
    surround(data_folder)
    assert "task 1" in refused(data_folder.path)


def test_the_annotation_that_counts_is_the_only_one_or_the_ground_truth(data_folder):
    drawn = {"result": [result("polygonlabels", points=POLYGON)], "completed_by": 7}
    other = {"result": [], "completed_by": {"id": 8, "email": "a@b.c"}}
    entry = task([])
    for annotations, annotator in (
        ([drawn, other | {"was_cancelled": True}], "7"),
        ([drawn, other | {"ground_truth": True}], "a@b.c"),
    ):
        export(data_folder, entry | {"annotations": annotations})
        assert load_dataset(data_folder.path).records[0].annotator == annotator
    export(data_folder, entry | {"annotations": [drawn, other]})
    assert "task 1: 2 annotations; expected one: mark one as ground truth" in refused(data_folder.path)


@pytest.mark.parametrize("annotations", [[], [{"result": [], "was_cancelled": True}]])
def test_a_task_that_nobody_finished_is_not_an_empty_mask(data_folder, annotations):
    export(data_folder, task([]) | {"annotations": annotations})
    assert LAYOUTS["label-studio"].read(data_folder.path)[0].mask is None
    assert "a.png: no mask" in refused(data_folder.path)


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (result("brushlabels", rle=[1, 2, 3]), "cut off"),
        (result("brushlabels", rle=[300]), "not Label Studio's JSON"),
        (brush(np.zeros((5, 5), bool)), "not of 32 x 24 pixels"),
        (result("polygonlabels", points=POLYGON[:2]), "fewer than three points"),
        (result("polygonlabels", points=[[1, 2], [3, 1e300], [1, 1]]), "not Label Studio's JSON"),
        (result("rectanglelabels", x=1, y=2, width=3), "expected a brush, a polygon or a rectangle"),
        (result("rectanglelabels", x=1, y=2, width=3, height=4, rotation=30), "a rotated region"),
        (result("ellipselabels", x=1, y=2, radiusX=3, radiusY=4), "a region of type 'ellipselabels'"),
        (result("keypointlabels", x=1, y=2, width=1), "a region of type 'keypointlabels'"),
        (result("polygonlabels", points=POLYGON) | {"original_width": None}, "without original_width"),
        (result("polygonlabels", points=POLYGON) | {"original_width": 99}, "was drawn on 99 x 24"),
        (result("polygonlabels", points=POLYGON) | {"image_rotation": 90}, "a rotated region or image"),
        (result("polygonlabels", points=POLYGON) | {"type": "brushlabels"}, "with the labels None"),
    ],
)
def test_a_region_that_cannot_be_is_named(data_folder, spoilt, fault):
    file = export(data_folder, task([spoilt]))
    told = refused(data_folder.path)
    assert fault in told
    assert str(file) in told


def test_facts_that_cannot_be_and_twins_are_refused(data_folder):
    entry = task([])
    entry["data"]["sononerve"] = {"frame": -3}
    export(data_folder, entry)
    assert "task 1: sononerve" in refused(data_folder.path)
    export(data_folder, task([]), task([]))
    assert "a.png is listed twice" in refused(data_folder.path)
