"""What this process takes of the machine: how many threads at a time, and memory that it keeps."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from threadpoolctl import threadpool_limits

READERS = max(2, min(8, os.cpu_count() or 2))
"""Threads that read frames; more than cores hinder each other."""

CPU_INFO = Path("/proc/cpuinfo")
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST = 2**31 - 1


def processor() -> str:
    """The processor of this machine in words: how many cores of what."""
    told = platform.processor() or platform.machine()
    if CPU_INFO.is_file():  # Linux, where Python knows no more than the kind of processor
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        told = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), told)
    return f"{os.cpu_count()} cores of {told}"


def keep_memory() -> bool:
    """Tell glibc neither to map large blocks one by one nor to give them back; False where there is no glibc.

    Handing freed memory back and asking for it again costs more than half of a training on a CPU, and a quarter of a
    look at a frame.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST))


@contextmanager
def one_thread() -> Iterator[None]:
    """Neither OpenCV nor NumPy's algebra starts threads of its own: on frames they mostly wait for each other."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(before)
