"""Files damaged at random are read or refused with a sentence that names a file; never anything else."""

import random
import shutil

import numpy as np
import pytest
from hostile import damaged, read_or_refused

from sononerve.data.layouts import LAYOUTS
from sononerve.frame import Frame, Sample

FILES = {
    "manifest": "manifest.csv",
    "kaggle": "train_masks.csv",
    "coco": "annotations/instances.json",
    "labelme": "a.json",
    "nnunet": "dataset.json",
    "cvat": "annotations.xml",
    "label-studio": "tasks.json",
}


@pytest.mark.parametrize("layout", FILES)
def test_no_damage_ends_in_a_traceback(layout, tmp_path):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (12, 15), dtype=np.uint8)
    labels = np.zeros((12, 15), np.uint8)
    labels[2:7, 3:9], labels[5:9, 6:15] = 1, 2
    sample = Sample(Frame(pixels, (0.1, 0.1)), labels, "1", "clip", 4, np.array([[3, 2, 6, 5]], np.float32), "human")
    folder = tmp_path / "data"
    LAYOUTS[layout].write([("a.png", sample), ("b.png", sample)], ("nerve", "vessel"), folder)
    file = folder / FILES[layout]
    if layout == "kaggle":
        (folder / "train" / "1_4_mask.tif").unlink()  # so that the table is read
    whole, dice = file.read_bytes(), random.Random(5)
    results = []
    for _ in range(250):
        file.write_bytes(damaged(whole, dice))
        results.append(read_or_refused(folder, layout))
    assert not all(results)
    file.write_bytes(whole)
    assert read_or_refused(folder, layout)
    shutil.rmtree(folder)


@pytest.mark.parametrize("layout", ["coco", "labelme", "nnunet", "label-studio"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"{}",
        b"[]",
        b"null",
        b"[[]]",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"\xff\xfe",
        b'{"shapes": [',
        b"1" * 5000,
    ],
)
def test_what_is_no_such_json_names_the_file(data_folder, layout, content):
    file = {"coco": "a.json", "labelme": "a.json", "nnunet": "dataset.json", "label-studio": "a.json"}[layout]
    data_folder.text(file, content)
    assert not read_or_refused(data_folder.path, layout)
