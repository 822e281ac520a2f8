"""The stack on which signals are handled, kept as it is while an engine works.

OpenVINO gives the thread that first runs a model another one, and gives back the earlier one when the model goes. Two
models that go in the order in which they came leave a stack behind that is gone, and the next signal, as Ctrl-C, ends
the process (seen with OpenVINO 2026.4.1 on Linux).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

DISABLED = 2  # SS_DISABLE


class _Stack(ctypes.Structure):
    _fields_ = (("place", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def signal_stack() -> tuple[int, int] | None:
    """Address and bytes of this thread's own stack for signals; None where it has none, or that cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    found = _Stack()
    _libc().sigaltstack(None, ctypes.byref(found))
    return None if found.flags & DISABLED else (int(found.place or 0), int(found.size))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Give this thread back the stack for signals that it had, whatever was done in between."""
    before = signal_stack()
    try:
        yield
    finally:
        if signal_stack() != before:
            wanted = _Stack(None, DISABLED, 0) if before is None else _Stack(before[0], 0, before[1])
            _libc().sigaltstack(ctypes.byref(wanted), None)
