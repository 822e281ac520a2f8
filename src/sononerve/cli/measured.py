"""The command line in a process that tells its own peak memory: the system counts that of whoever started it too."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path

from . import main

STATUS, PEAK = Path("/proc/self/status"), "VmHWM:"


def run(told: Path) -> None:
    """Run the command line; at its end the peak memory of this process, in bytes, is in the file ``told``."""
    atexit.register(lambda: told.write_text(str(_peak_bytes())))
    main()


def _peak_bytes() -> int:
    if STATUS.is_file():
        return 1024 * next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(PEAK))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
