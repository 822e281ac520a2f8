"""COCO: polygons, run lengths and boxes as pycocotools draws them, and nothing outside of the folder."""

import json

import numpy as np
import pytest
from hostile import OUTSIDE, refused, surround
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.evaluate.boxes import truth_is_boxes
from sononerve.frame import Frame, Sample

SIZE = (24, 32)
IMAGE = {"id": 7, "file_name": "a.png", "width": 32, "height": 24}
CATEGORIES = [{"id": 3, "name": "vessel"}, {"id": 1, "name": "nerve"}]
POLYGON = [4, 3, 20.5, 5, 17, 19.25, 6, 12]
OTHER = [22, 2, 30, 2, 30, 9]


def coco(data, annotations, images=(IMAGE,), categories=CATEGORIES, file="annotations/instances.json"):
    data.image("images/a.png")
    content = {"info": {}, "licenses": [], "images": list(images), "annotations": annotations, "categories": categories}
    return data.text(file, json.dumps(content))


def annotation(segmentation=None, category=1, **more):
    return {"id": 1, "image_id": 7, "category_id": category, "segmentation": segmentation} | more


def labels(data):
    return load_dataset(data.path)[0].labels


def filled(*polygons):
    rles = oracle.frPyObjects([list(map(float, p)) for p in polygons], *SIZE)
    return oracle.decode(oracle.merge(rles)).astype(bool)


def test_polygons_are_filled_as_pycocotools_does_and_those_of_one_annotation_join(data_folder):
    coco(data_folder, [annotation([POLYGON, OTHER])])
    assert np.array_equal(labels(data_folder) == 1, filled(POLYGON, OTHER))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("crowd", [0, 1])
def test_run_lengths_are_read_packed_or_not_in_a_crowd_or_not(data_folder, packed, crowd):
    rle = oracle.frPyObjects([list(map(float, POLYGON))], *SIZE)[0]
    text = {"size": list(SIZE), "counts": rle["counts"].decode()}
    mask = oracle.decode(rle)
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.r_[0, flat])).tolist()
    plain = {"size": list(SIZE), "counts": np.diff([0, *edges, flat.size]).tolist()}
    coco(data_folder, [annotation(text if packed else plain, iscrowd=crowd)])
    assert np.array_equal(labels(data_folder), mask)


def test_categories_by_their_ids_are_the_labels(data_folder):
    coco(data_folder, [annotation([POLYGON]), annotation([OTHER], category=3)])
    dataset = load_dataset(data_folder.path)
    assert dataset.classes == ("nerve", "vessel")
    assert np.array_equal(dataset[0].labels == 2, filled(OTHER))


def test_where_shapes_overlap_the_later_counts(data_folder):
    coco(data_folder, [annotation([POLYGON]), annotation([[0, 0, 32, 0, 32, 8, 0, 8]], category=3)])
    found = labels(data_folder)
    assert (found[:8] == 2).all()
    assert np.array_equal(found[8:] == 1, filled(POLYGON)[8:])


def test_classes_may_be_named_in_another_order_or_fewer(data_folder):
    coco(data_folder, [annotation([POLYGON])])
    assert load_dataset(data_folder.path, classes=("vessel", "nerve"))[0].labels.max() == 2
    assert load_dataset(data_folder.path, classes=("nerve",))[0].labels.max() == 1
    assert "'nerve'; known are artery" in refused(data_folder.path, classes=("artery",))


def test_an_image_without_annotations_has_an_empty_mask(data_folder):
    coco(data_folder, [])
    assert labels(data_folder).sum() == 0
    assert load_dataset(data_folder.path).records[0].boxes is None


def test_a_box_alone_is_filled_and_kept(data_folder):
    coco(data_folder, [annotation([], bbox=[4, 2, 10, 5]), annotation(None, category=3, bbox=[20, 2, 3, 4])])
    dataset = load_dataset(data_folder.path)
    assert np.argwhere(dataset[0].labels == 1).min(0).tolist() == [2, 4]
    assert (dataset[0].labels == 1).sum() == 50
    assert dataset.records[0].boxes == ((4, 2, 10, 5),)


@pytest.mark.parametrize("box", [[4.3, 2.6, 10.3, 5.3], [4.5, 2.5, 9.5, 4.5], [-3.2, -1, 8, 9.4], [28, 20, 9, 9]])
def test_boxes_between_pixels_are_filled_so_that_evaluate_knows_the_masks_for_boxes(data_folder, box):
    coco(data_folder, [annotation([], bbox=box)])
    dataset = load_dataset(data_folder.path)
    assert dataset.present.all()
    assert truth_is_boxes(dataset)


def test_boxes_beside_shapes_are_kept(data_folder):
    coco(data_folder, [annotation([POLYGON], bbox=[3, 2, 19, 18])])
    dataset = load_dataset(data_folder.path)
    assert dataset[0].boxes.tolist() == [[3, 2, 19, 18]]
    assert np.array_equal(dataset[0].labels == 1, filled(POLYGON))


@pytest.mark.parametrize("place", ["a.png", "images/a.png", "images/default/a.png", "annotations/a.png"])
def test_images_are_found_where_programs_put_them(data_folder, place):
    data_folder.image(place)
    content = {"images": [IMAGE], "annotations": [], "categories": CATEGORIES}
    data_folder.text("annotations/instances_default.json", json.dumps(content))
    assert load_dataset(data_folder.path).names == [place]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_file_name_leads_out(data_folder, name):
    coco(data_folder, [], [IMAGE | {"file_name": name}])
    surround(data_folder)
    assert "leaves the data set's folder" in refused(data_folder.path)


@pytest.mark.parametrize(
    ("annotations", "fault"),
    [
        ([annotation()], "without segmentation and bbox"),
        ([annotation([[1, 2, 3]])], "a.png: a polygon of 3 numbers"),
        ([annotation([[1, 2, 3, 4]])], "a.png: a polygon of fewer than three points"),
        ([annotation([[1, 2, 3, 4, 1e300, 0]])], "far behind"),
        ([annotation({"size": [24, 32], "counts": [1, 2]})], "another number of pixels than 32 x 24"),
        ([annotation({"size": [24, 32], "counts": [-1, 769]})], "another number of pixels"),
        ([annotation({"size": [24, 32], "counts": "~~"})], "not what COCO packs"),
        ([annotation({"size": [100_000, 100_000], "counts": [10**10]})], "100000 x 100000 pixels on a frame of 32"),
        ([annotation({"size": [10**9, 10**9], "counts": ""})], "not COCO's JSON"),
        ([annotation([POLYGON], category=9)], "annotations.0 is of a category that is not listed"),
        ([annotation([POLYGON], image_id=9)], "annotations.0 is of an image that is not listed"),
        ([annotation([[1, 2, "x", 4, 5, 6]])], "not COCO's JSON"),
        ([annotation([POLYGON])] * 2_001, "2001 shapes on one frame"),
        ([annotation([POLYGON] * 2_001)], "a polygon of 2001 parts"),
    ],
)
def test_an_annotation_that_cannot_be_is_named(data_folder, annotations, fault):
    file = coco(data_folder, annotations)
    told = refused(data_folder.path)
    assert fault in told
    assert str(file) in told


def test_sizes_that_differ_are_refused(data_folder):
    coco(data_folder, [], [IMAGE | {"width": 33}])
    assert "was drawn on 33 x 24 pixels, the frame has 32 x 24" in refused(data_folder.path)


def test_twins_and_missing_files_are_named(data_folder):
    file = coco(data_folder, [], [IMAGE, IMAGE])
    assert f"{file}: two images have one id" in refused(data_folder.path)
    coco(data_folder, [], [IMAGE, IMAGE | {"id": 8}])
    assert "images/a.png is listed twice" in refused(data_folder.path)
    coco(data_folder, [], categories=[CATEGORIES[0], CATEGORIES[0]])
    assert "two categories" in refused(data_folder.path)
    coco(data_folder, [], [])
    assert "lists no images" in refused(data_folder.path)
    coco(data_folder, [], [IMAGE | {"file_name": "b.png"}])
    assert "b.png: no such file" in refused(data_folder.path)
    coco(data_folder, [], file="second.json")
    assert "found instances.json, second.json" in refused(data_folder.path, "coco")


def test_what_is_written_is_what_pycocotools_reads(tmp_path):
    rng = np.random.default_rng(0)
    named = []
    for name in ("a.png", "b/c.png"):
        drawn = rng.integers(0, 3, (17, 23)).astype(np.uint8) * (rng.random((17, 23)) < 0.5)
        named.append((name, Sample(Frame(np.zeros((17, 23), np.uint8)), drawn.astype(np.uint8))))
    LAYOUTS["coco"].write(named, ("nerve", "vessel"), tmp_path / "out")
    theirs = COCO(str(tmp_path / "out" / "annotations" / "instances.json"))
    assert [c["name"] for c in theirs.loadCats(theirs.getCatIds())] == ["nerve", "vessel"]
    for image, (_, sample) in zip(theirs.loadImgs(theirs.getImgIds()), named, strict=True):
        found = np.zeros((17, 23), np.uint8)
        for entry in theirs.loadAnns(theirs.getAnnIds(image["id"])):
            mask = theirs.annToMask(entry)
            found[mask > 0] = entry["category_id"]
            assert entry["area"] == mask.sum()
            assert entry["bbox"] == oracle.toBbox(theirs.annToRLE(entry)).tolist()
        assert np.array_equal(found, sample.labels)
