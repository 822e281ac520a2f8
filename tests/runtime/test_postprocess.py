"""Rules that make labels of probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from bright import bright_files, bright_frame
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.runtime.bundle import CONFIG, Bundle, write_bundle
from sononerve.runtime.postprocess import PLAIN, ClassRules, PostProcess, label_map
from sononerve.runtime.predictor import Predictor


def rules(*classes: ClassRules, **others: float) -> PostProcess:
    return PostProcess.model_validate({"classes": classes, **others})


def drawn(text: str) -> np.ndarray:
    """Probabilities ``(C, H, W)`` of rows of digits: 0 is background, 1 the first class."""
    labels = np.array([[int(letter) for letter in line] for line in text.split()])
    return np.stack([(labels == label) * np.float32(0.9) for label in (1, 2)])


TWO_PIECES = drawn("11000 11001 00000")
RING = drawn("11111 10201 10001 11111")


def test_the_likeliest_class_wins_where_all_together_are_likely() -> None:
    probabilities = np.array([[[0.6, 0.45, 0.2, 0.1]], [[0.2, 0.44, 0.2, 0.7]]], np.float32)
    assert label_map(probabilities).tolist() == [[1, 1, 0, 2]]
    assert PostProcess(threshold=0.85).labels(probabilities).tolist() == [[0, 1, 0, 0]]


def test_a_half_is_not_yet_a_nerve() -> None:
    assert label_map(np.array([[[0.49, 0.5, 0.51]]], np.float32)).tolist() == [[0, 0, 1]]


def test_only_the_largest_piece_is_left() -> None:
    found = rules(ClassRules(largest=True), ClassRules()).labels(TWO_PIECES)
    assert found.tolist() == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0] * 5]


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    found = rules(ClassRules(largest=True)).labels(drawn("1100 0010 0000")[:1])
    assert found.tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0] * 4]


def test_what_is_smaller_than_the_least_area_goes_even_if_it_is_all_there_is() -> None:
    found = rules(ClassRules(least_area=2 / 15)).labels(TWO_PIECES)
    assert found.sum() == 4
    assert not rules(ClassRules(least_area=5 / 15)).labels(TWO_PIECES).any()
    assert rules(ClassRules(least_area=1 / 15)).labels(TWO_PIECES).sum() == 5


def test_holes_are_filled_but_other_classes_in_them_stay() -> None:
    found = rules(ClassRules(fill_holes=True)).labels(RING)
    assert found.tolist() == [[1] * 5, [1, 1, 2, 1, 1], [1] * 5, [1] * 5]


def test_a_bay_and_the_border_are_no_holes() -> None:
    probabilities = drawn("10101 11111 01110 01010")[:1]
    assert np.array_equal(rules(ClassRules(fill_holes=True)).labels(probabilities), label_map(probabilities))


def test_the_rules_of_one_class_leave_the_other_alone() -> None:
    probabilities = drawn("11020 00000 22001")
    found = rules(ClassRules(largest=True)).labels(probabilities)
    assert found.tolist() == [[1, 1, 0, 2, 0], [0] * 5, [2, 2, 0, 0, 0]]


def test_of_a_frame_of_little_presence_the_first_class_alone_is_left_out() -> None:
    gated = PostProcess(presence=0.4, classes=(ClassRules(), ClassRules(fill_holes=True)))
    around = drawn("22222 21112 22222")
    assert gated.labels(around, presence=0.4).tolist() == [[2] * 5, [2, 1, 1, 1, 2], [2] * 5]
    assert gated.labels(around, presence=0.39).tolist() == [[2] * 5, [2, 0, 0, 0, 2], [2] * 5]


def test_blur_takes_specks_away() -> None:
    probabilities = np.zeros((1, 100, 100), np.float32)
    probabilities[0, 20:60, 20:60] = 0.9
    probabilities[0, 80, 80] = 1
    found = PostProcess(blur=0.02).labels(probabilities)
    assert not found[70:].any()
    assert found[25:55, 25:55].all()


FRAMES = arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 2))


@given(labels=FRAMES, largest=st.booleans(), share=st.floats(0, 0.5), fill=st.booleans())
def test_rules_keep_the_rest_and_change_nothing_twice(
    labels: np.ndarray, largest: bool, share: float, fill: bool
) -> None:
    probabilities = np.stack([(labels == label) * np.float32(0.9) for label in (1, 2)])
    chosen = rules(ClassRules(largest=largest, least_area=share, fill_holes=fill))
    once = chosen.labels(probabilities)
    assert ((once == 2) == (labels == 2)).all()
    again = chosen.labels(np.stack([(once == label) * np.float32(0.9) for label in (1, 2)]))
    assert np.array_equal(once, again)
    if not fill:
        assert (labels[once == 1] == 1).all()


def test_the_words_tell_what_is_not_plain() -> None:
    assert PLAIN.told == ()
    told = rules(ClassRules(largest=True), ClassRules(least_area=0.001, fill_holes=True), threshold=0.3).told
    assert told == (
        "threshold 0.3",
        "label 1: largest piece alone",
        "label 2: pieces below 0.10% of the frame removed",
        "label 2: holes filled",
    )


def test_the_predictor_uses_the_rules_of_its_bundle(tmp_path: Path) -> None:
    files = bright_files()
    recorded = yaml.safe_load(files[CONFIG]) | {"postprocess": {"classes": [{"largest": True}]}}
    write_bundle(tmp_path / "ruled", files | {CONFIG: yaml.safe_dump(recorded).encode()})
    pixels = bright_frame()
    pixels[0, 0] = 100
    answer = Predictor.load(tmp_path / "ruled").predict(Frame(pixels))
    assert answer.probabilities[0, 0, 0] == pytest.approx(0.9)
    assert answer.measurements[0].area_px == 40


def test_rules_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        PostProcess(threshold=1.5)
    files = bright_files()
    recorded = yaml.safe_load(files[CONFIG]) | {"postprocess": {"biggest": True}}
    write_bundle(tmp_path / "wrong", files | {CONFIG: yaml.safe_dump(recorded).encode()})
    with pytest.raises(InputError, match=r"config.yaml.*postprocess"):
        Bundle.open(tmp_path / "wrong")
