"""Settings as typed: words into values, dotted names into nests."""

from __future__ import annotations

import pytest

from sononerve.errors import InputError
from sononerve.settings import merge, merge_settings, parse_settings


@pytest.mark.parametrize("word", ["width", "=3", "network.width=[1"])
def test_a_setting_that_is_not_name_and_value_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="--set "):
        parse_settings([word])


def test_values_are_read_as_yaml() -> None:
    assert parse_settings(["a=1", "b.c=[0, 2.5]", "d=", "e=x=y"]) == {"a": 1, "b.c": [0, 2.5], "d": None, "e": "x=y"}


def test_neighbours_of_a_nested_field_stay() -> None:
    values: dict[str, object] = {"a": {"b": 1, "c": 2}, "d": 3}
    merge_settings(values, {"a.b": None, "e.f.g": 4})
    assert values == {"a": {"b": None, "c": 2}, "d": 3, "e": {"f": {"g": 4}}}


def test_what_is_nested_below_a_plain_value_is_kept_to_be_refused() -> None:
    values: dict[str, object] = {"batch": None, "seed": 1}
    merge_settings(values, {"batch.size": 4, "seed.of.all": 2})
    assert values == {"batch": {"size": 4}, "seed": {"of": {"all": 2}}}


def test_what_is_not_told_does_not_count() -> None:
    values: dict[str, object] = {"a": 1, "b": {"c": 2}}
    merge(values, {"a": None, "b": {"c": None, "d": 5}})
    assert values == {"a": 1, "b": {"c": 2, "d": 5}}
