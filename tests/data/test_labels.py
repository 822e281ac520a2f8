"""Stored values become classes: 0..n, or 0 and 255 for one class; anything else names the mask."""

import numpy as np
import pytest

from sononerve.data.labels import resolve_classes, to_labels
from sononerve.errors import InputError


def classes_of(*values, names=None):
    return resolve_classes({f"m{i}.png": frozenset(found) for i, found in enumerate(values)}, names)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([{0}, {0}], ("nerve",)),
        ([{0, 1}, {0}], ("nerve",)),
        ([{0, 255}, {0}], ("nerve",)),
        ([{0, 255}, {0, 1}], ("nerve",)),
        ([{0, 1}, {0, 2}], ("nerve", "vessel")),
        ([{0, 2}], ("nerve", "vessel")),
        ([{0, 1, 2, 3}], ("nerve", "vessel", "class 3")),
    ],
)
def test_classes_follow_from_the_values(values, classes):
    assert classes_of(*values) == classes


def test_given_names_are_kept_also_where_a_class_is_never_drawn():
    assert classes_of({0, 1}, names=("median nerve", "artery")) == ("median nerve", "artery")
    assert classes_of({0, 255}, names=("median nerve",)) == ("median nerve",)


@pytest.mark.parametrize(
    ("values", "names", "unknown", "expected"),
    [
        (
            [{0, 1}, {0, 1, 2}],
            ("nerve",),
            "m1.png: unknown label value 2",
            "0, 1 (or 255): correct the mask, or name more",
        ),
        (
            [{0, 1}, {0, 3}],
            ("nerve", "vessel"),
            "m1.png: unknown label value 3",
            "0 to 2: correct the mask, or name more",
        ),
        ([{0, 1, 2}, {0, 255}], None, "m1.png: unknown label value 255", "0 to 2: number the classes"),
        ([{0, 1}, {0, 17}, {0, 1}], None, "m1.png: unknown label value 17", "0 to 16: number the classes"),
        ([{0, 1, 2}, {0, 128}], None, "m1.png: unknown label value 128", "0 to 16: number the classes"),
        (
            [{0, 1}, set(range(0, 256, 5))],
            None,
            "m1.png: unknown label value 20",
            "0 to 16: it holds 52 values, as masks do that were",
        ),
        (
            [{0, 1}, set(range(30))],
            ("nerve",),
            "m1.png: unknown label value 2",
            "0, 1 (or 255): it holds 30 values, as masks do that were",
        ),
    ],
)
def test_an_unknown_value_names_the_first_mask_that_holds_it(values, names, unknown, expected):
    with pytest.raises(InputError) as refused:
        classes_of(*values, names=names)
    assert str(refused.value).startswith(unknown)
    assert f"expected {expected}" in str(refused.value)


def test_255_is_1_for_one_class_alone():
    values = np.array([[0, 1, 255]], np.uint8)
    assert to_labels(values, 1).tolist() == [[0, 1, 1]]
    assert to_labels(np.array([[0, 1, 2]], np.uint8), 2).tolist() == [[0, 1, 2]]
    assert to_labels(values, 1).dtype == np.uint8
