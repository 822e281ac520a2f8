"""How fast the phantom draws: frames of three sizes, in one process and in one a core.

Wall time is what a person waits and suffers from whatever else runs; CPU time does not, and half of it is what two idle
cores would need. Run: python benchmarks/phantom_speed.py [--frames 200]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import cv2

from sononerve.data.phantom import PhantomConfig, write

RESULT = Path(__file__).parent / "results" / "phantom_speed.json"
SIZES = (128, 256, 512)
FRAMES_EACH = 10


def cpu_seconds() -> float:
    """User and system time of this process and of those it has waited for."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def measure(size: int, frames: int, processes: int) -> dict[str, float]:
    """Draw and write ``frames`` frames of ``size`` x ``size``."""
    config = PhantomConfig(subjects=max(frames // FRAMES_EACH, 1), frames=FRAMES_EACH, height=size, width=size)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), cpu_seconds()
        write(config, Path(folder) / "phantom", processes=processes)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return {
        "size": size,
        "processes": processes,
        "frames": config.total,
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "cpu_ms_per_frame": round(1000 * cpu / config.total, 1),
        "half_of_cpu_s": round(cpu / 2, 2),
    }


def main() -> None:
    """Print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200)
    frames = parser.parse_args().frames
    cv2.setNumThreads(1)
    rows = [measure(size, frames, processes) for size in SIZES for processes in (1, os.cpu_count() or 1)]
    head = list(rows[0])
    print(" ".join(f"{name:>16}" for name in head))
    for row in rows:
        print(" ".join(f"{row[name]:>16}" for name in head))
    load = os.getloadavg()[0]
    found = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": load, "rows": rows}
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
