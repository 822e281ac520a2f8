"""Presence and box are read off the label map as a person would."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sononerve.data.dataset import load_dataset
from sononerve.data.preprocess import Preprocess
from sononerve.losses.targets import nerve_box, nerve_present

SIDE = 24


@given(
    top=st.integers(0, SIDE - 1), left=st.integers(0, SIDE - 1), height=st.integers(1, SIDE), width=st.integers(1, SIDE)
)  # fmt: skip
def test_the_box_of_a_rectangle_is_the_rectangle(top: int, left: int, height: int, width: int) -> None:
    labels = torch.zeros(1, SIDE, 2 * SIDE, dtype=torch.int64)
    labels[0, top : top + height, left : left + width] = 1
    height, width = min(height, SIDE - top), min(width, 2 * SIDE - left)
    expected = [
        (left + width / 2) / (2 * SIDE),
        (top + height / 2) / SIDE,
        width / (2 * SIDE),
        height / SIDE,
    ]
    torch.testing.assert_close(nerve_box(labels)[0], torch.tensor(expected))


def test_several_nerves_have_one_box_around_all_and_vessels_have_none() -> None:
    labels = torch.zeros(3, 10, 10, dtype=torch.int64)
    labels[0, 1, 2], labels[0, 7, 8] = 1, 1
    labels[1, 3:5, 3:5] = 2
    assert nerve_present(labels).tolist() == [True, False, False]
    torch.testing.assert_close(nerve_box(labels)[0], torch.tensor([0.55, 0.45, 0.7, 0.7]))
    assert nerve_box(labels)[1:].abs().max() == 0


def test_native_boxes_of_a_real_set_are_the_boxes_that_are_learned(shared_data) -> None:
    """The masks of such a set are its boxes filled, so their hull is that of the boxes, within a canvas pixel."""
    dataset, preprocess = load_dataset(shared_data / "brachial-plexus"), Preprocess(height=256, width=256)
    boxed = [i for i, record in enumerate(dataset.records) if record.boxes][:40]
    assert boxed
    for i in boxed:
        sample = dataset[i]
        assert sample.boxes is not None
        assert sample.labels is not None
        corners = np.c_[sample.boxes[:, :2], sample.boxes[:, :2] + sample.boxes[:, 2:]]
        height, width = sample.frame.shape
        hull = np.r_[corners[:, :2].min(0).clip(0), np.minimum(corners[:, 2:].max(0), [width, height])]
        area = preprocess.area(sample.frame.pixels)
        (x0, y0, x1, y1) = preprocess.boxes(hull[None].astype(np.float32), area)[0]
        canvas = torch.from_numpy(preprocess.mask(sample.labels, 1, area).astype(np.int64))[None]
        found = nerve_box(canvas)[0].numpy() * 256
        assert found == pytest.approx([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], abs=2)
