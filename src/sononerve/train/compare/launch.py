"""One command of sononerve in a process of its own, with what it took of the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from ...errors import InputError
from ...progress import console

CHILD = "import sys, pathlib; from sononerve.cli.measured import run; run(pathlib.Path(sys.argv.pop(1)))"
TOLD_LINES = 5
USAGE, PEAK = ".jsonl", ".peak"


@dataclass(frozen=True)
class Usage:
    """What a process took: seconds of the wall and of the processor, and its peak memory in bytes.

    ``peak_bytes``: None where it was killed before it could tell.
    """

    status: int
    wall_s: float
    cpu_s: float
    peak_bytes: int | None


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error: its name, its log, and the last lines of it."""

    run: str
    log: str
    told: str


def launched(name: str, arguments: list[str], log: Path, threads: int | None) -> Failure | None:
    """`launch` what belongs to the run ``name``; what went wrong is told, and returned."""
    if launch(arguments, log, threads).status == 0:
        return None
    failure = Failure(name, str(log), last_lines(log))
    console.print(f"failed: {failure.run}; the end of {failure.log}:\n{failure.told}")
    return failure


def launch(arguments: list[str], log: Path, threads: int | None = None) -> Usage:
    """Run ``sononerve`` with ``arguments``; what it prints is appended to ``log``, what it took to `noted`'s list.

    ``threads``: cores for its sums, None for all. An interrupt or a termination ends it too. Raises `InputError` where
    a process that an earlier call left behind still writes to ``log``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    with log.open("ab") as file, _terminable():
        if not _lock(file):
            raise InputError(
                f"{log}: another process still works on this run; wait for its end, or end it, and resume then"
            )
        began = time.monotonic()
        command = [sys.executable, "-P", "-c", CHILD, str(log.with_suffix(PEAK)), *arguments]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
        try:
            return _wait(child, began, log)
        except BaseException:
            child.terminate()
            _wait(child, began, log)
            raise


def _wait(child: subprocess.Popen[bytes], began: float, log: Path) -> Usage:
    _, status, spent = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = log.with_suffix(PEAK)
    peak_bytes = int(peak.read_text()) if peak.is_file() else None
    peak.unlink(missing_ok=True)
    usage = Usage(child.returncode, time.monotonic() - began, spent.ru_utime + spent.ru_stime, peak_bytes)
    with log.with_suffix(USAGE).open("a") as file:
        file.write(json.dumps(asdict(usage)) + "\n")
    return usage


def noted(log: Path) -> list[Usage]:
    """What the processes that wrote to ``log`` took: a training that was stopped and resumed took several."""
    path = log.with_suffix(USAGE)
    lines = path.read_text().splitlines() if path.is_file() else []
    return [Usage(**json.loads(line)) for line in lines]


def last_lines(log: Path) -> str:
    """The end of a log, for a message."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TOLD_LINES:])


@contextmanager
def claimed(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether nobody else holds ``path``; this process then does, until it is through or ends.

    ``wait``: until nobody else does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield _lock(file, wait=wait)


def _lock(file: BinaryIO, *, wait: bool = False) -> bool:
    """Hold the file as long as it is open, here or in a process that inherited it; False where somebody does."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a termination by the system unwind as an exit, so that the process below ends as well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
