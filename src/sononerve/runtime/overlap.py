"""Work that goes on beside other work: items made ahead by a thread, and items used behind by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Ahead(Generic[T]):
    """The items of an iterator, made by a thread of its own; close it, or use it as a context.

    ``most``: how many wait at a time. ``drop``: where more come, the oldest is left out, and counted in ``dropped``;
    otherwise the thread waits. What the iterator raises is raised where its next item is asked for.
    """

    def __init__(self, items: Iterator[T], most: int, drop: bool = False) -> None:
        self.dropped = 0
        self._items, self._most, self._drop = items, most, drop
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended, self._closed = False, False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._make, name="ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._waiting:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            raise StopIteration

    def _make(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:
            self._error = error
        finally:
            if isinstance(self._items, Generator):  # it may hold a file or a camera
                self._items.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Whether more is wanted."""
        with self._changed:
            if self._drop and len(self._waiting) >= self._most:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._most)
            self._waiting.append(item)
            self._changed.notify_all()
            return not self._closed

    def close(self) -> None:
        """Ask for no more, and wait until the thread has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Behind(Generic[T]):
    """Uses items in order, in a thread of its own, at most ``most`` behind; close it, or use it as a context.

    What ``use`` raises is raised by the next `put`, or by `close`.
    """

    def __init__(self, use: Callable[[T], None], most: int) -> None:
        self._use, self._most = use, most
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._pending: deque[Future[None]] = deque()

    def put(self, item: T) -> None:
        """Hand over an item; waits while too many are not used yet."""
        while len(self._pending) >= self._most or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._use, item))

    def close(self) -> None:
        """Wait until everything is used."""
        try:
            while self._pending:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Behind[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def in_order(items: Iterable[T], use: Callable[[T], U], at_once: int) -> Iterator[U]:
    """What ``use`` makes of each item, in their order, of so many at the same time.

    An answer comes when as many further items have come, or there are no more. What ``items`` raises is raised when all
    that came before it is used.
    """
    if at_once == 1:
        yield from map(use, items)
        return
    coming, fault = iter(items), None
    with ThreadPoolExecutor(at_once, thread_name_prefix="at-once") as pool:
        pending: deque[Future[U]] = deque()
        while fault is None:
            try:
                pending.append(pool.submit(use, next(coming)))
            except Exception as error:  # StopIteration too
                fault = error
            while pending and (fault is not None or len(pending) > at_once):
                yield pending.popleft().result()
    if not isinstance(fault, StopIteration):
        raise fault
