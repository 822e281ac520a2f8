"""Threads that work ahead and behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sononerve.runtime.overlap import Ahead, Behind, in_order


def failing() -> Iterator[int]:
    yield 1
    yield 2
    raise OSError("the cable is out")


def test_all_items_come_in_order() -> None:
    with Ahead(iter(range(100)), most=3) as items:
        assert list(items) == list(range(100))
        assert items.dropped == 0


def test_it_is_never_further_ahead_than_asked() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    with Ahead(items(), most=2) as ahead:
        for number in ahead:
            assert len(made) <= number + 5  # two wait, one is used, one is held, and one is being made


def test_a_live_source_is_never_waited_for_and_the_newest_counts() -> None:
    all_made = threading.Event()

    def items() -> Iterator[int]:
        yield from range(50)
        all_made.set()

    with Ahead(items(), most=1, drop=True) as ahead:
        assert all_made.wait(10)
        assert list(ahead) == [49]
        assert ahead.dropped == 49


def test_an_error_comes_after_what_was_made_before_it() -> None:
    with Ahead(failing(), most=5) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(OSError, match="cable"):
            next(items)


def test_closing_early_ends_the_thread_and_the_source() -> None:
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    with Ahead(endless(), most=2) as items:
        next(items)
    assert ended.wait(10)


def test_everything_is_used_in_order_before_it_closes() -> None:
    used: list[int] = []
    with Behind(used.append, most=3) as behind:
        for number in range(50):
            behind.put(number)
    assert used == list(range(50))


def test_an_error_of_the_user_is_told() -> None:
    def refuse(number: int) -> None:
        if number == 3:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"), Behind(refuse, most=2) as behind:
        for number in range(50):
            behind.put(number)


@pytest.mark.parametrize("at_once", [1, 3])
def test_items_come_in_order_however_many_are_in_work(at_once: int) -> None:
    def slower_at_first(number: int) -> int:
        if number % 3 == 0:
            threading.Event().wait(0.01)
        return number * number

    assert list(in_order(range(20), slower_at_first, at_once)) == [number * number for number in range(20)]


@pytest.mark.parametrize("at_once", [1, 3])
def test_an_error_in_order_is_told(at_once: int) -> None:
    found = in_order(range(5), lambda number: 1 // (number - 2), at_once)
    assert [next(found), next(found)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        list(found)


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_came_before_the_items_failed_is_used(at_once: int) -> None:
    def two() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("cable")

    found = in_order(two(), lambda number: -number, at_once)
    assert [next(found), next(found)] == [-1, -2]
    with pytest.raises(OSError, match="cable"):
        next(found)
