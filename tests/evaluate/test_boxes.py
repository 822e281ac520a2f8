"""Scores against boxes, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.evaluate.boxes import box_mask, score_boxes, truth_is_boxes
from sononerve.frame import Frame, Sample


def sample(*boxes: tuple[float, float, float, float]) -> Sample:
    """A frame of 20 x 30 with boxes."""
    return Sample(Frame(np.zeros((20, 30), np.uint8)), boxes=np.array(boxes, np.float32).reshape(-1, 4))


def predicted(rows: slice, columns: slice) -> np.ndarray:
    """A rectangle on 20 x 30."""
    mask = np.zeros((20, 30), bool)
    mask[rows, columns] = True
    return mask


def test_a_box_covers_width_times_height_pixels_from_its_corner() -> None:
    mask = box_mask(np.array([3, 5, 4, 2], np.float32), (20, 30))
    assert mask.sum() == 8
    assert mask[5:7, 3:7].all()


@pytest.mark.parametrize(
    ("box", "pixels"), [((-2, -3, 5, 5), 6), ((28, 18, 10, 10), 4), ((40, 2, 5, 5), 0), ((-9, 2, 5, 5), 0)]
)
def test_a_box_is_cut_at_the_borders_of_the_frame(box: tuple[int, int, int, int], pixels: int) -> None:
    assert box_mask(np.array(box, np.float32), (20, 30)).sum() == pixels


def test_half_inside_one_of_two_boxes() -> None:
    found = score_boxes(sample((0, 0, 10, 10), (20, 0, 5, 5)), predicted(slice(0, 10), slice(5, 15)))
    assert found is not None
    assert (found.inside, found.touched) == (0.5, 0.5)


def test_overlapping_boxes_count_a_pixel_once_and_are_touched_each() -> None:
    found = score_boxes(sample((0, 0, 10, 10), (5, 5, 10, 10)), predicted(slice(5, 10), slice(5, 10)))
    assert found is not None
    assert (found.inside, found.touched) == (1.0, 1.0)


def test_nothing_predicted_is_a_miss_and_not_left_out() -> None:
    found = score_boxes(sample((0, 0, 10, 10)), predicted(slice(0, 0), slice(0, 0)))
    assert found is not None
    assert (found.inside, found.touched) == (0.0, 0.0)


def test_a_frame_without_boxes_has_no_score_against_boxes() -> None:
    everything = predicted(slice(None), slice(None))
    assert score_boxes(sample(), everything) is None
    assert score_boxes(replace(sample(), boxes=None), everything) is None


def test_masks_that_are_boxes_are_recognised_on_real_frames(shared_data: Path) -> None:
    assert truth_is_boxes(load_dataset(shared_data / "brachial-plexus"))
    assert not truth_is_boxes(load_dataset(shared_data / "usgra-seg"))


def test_a_data_set_without_boxes_is_no_truth_of_boxes(dataset: Dataset) -> None:
    """Its masks are rectangles, but nobody says that they were drawn as boxes."""
    assert not truth_is_boxes(dataset)


def test_outlines_inside_boxes_are_outlines(dataset: Dataset) -> None:
    whole = tuple(replace(r, boxes=((10.0 + i % 4, 10.0, 20.0, 10.0),)) for i, r in enumerate(dataset.records))
    exact = replace(dataset, records=whole).select(i for i in range(len(dataset)) if i % 4 < 3)
    assert truth_is_boxes(exact)
    larger = tuple(replace(r, boxes=((5.0, 5.0, 30.0, 20.0),)) for r in exact.records)
    assert not truth_is_boxes(replace(exact, records=larger))
