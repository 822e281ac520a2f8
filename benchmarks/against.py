"""Frames a second from the PNG on disk to the mask on disk: sononerve against PyTorch, an smp-style U-Net, and nnU-Net.

sononerve phantom --out drawn --subjects 20 --frames 2 --set height=542 --set width=562
python benchmarks/against.py --model model.sono --frames drawn/images --nnunet-python VENV/bin/python

VENV is an environment of its own with nnunetv2 and the same PyTorch. Every system is a process that stays alive; they
take turns, round by round, so that a busy machine slows all. Only speed is compared: all but sononerve and the same
network in PyTorch have random weights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sononerve.io.atomic import write_text
from sononerve.process import processor

HERE = Path(__file__).parent
RESULT = HERE / "results" / "against.json"
ROUNDS = 3
COLUMNS = ("ms", "fps", "times_as_long", "cpu_s", "cores", "peak_mb", "start_s")
MANY, FEW = 40, 6  # frames a round; few for nnU-Net, which takes seconds for each


@dataclass
class System:
    """A process that segments frames when told, and what it took: by round, seconds, and processor seconds."""

    name: str
    command: list[str]
    frames: int
    start_s: float = 0.0
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def start(self) -> None:
        """Start it, and wait for its first mask."""
        began = time.perf_counter()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()
        self.start_s = time.perf_counter() - began

    def round(self) -> None:
        """Let it segment its frames once."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.frames}\n")
        self.process.stdin.flush()
        told = self._answer()
        self.seconds.append(told["seconds"])
        self.cpu_seconds.append(told["cpu_seconds"])
        self.peak_mb = told["peak_mb"]

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith('{"'):  # nnU-Net prints what it does
                return dict(json.loads(line))
        raise SystemExit(f"{self.name}: ended; run it alone to see why: {' '.join(self.command)}")

    @property
    def per_frame(self) -> float:
        """Seconds a frame, the middle one of the rounds."""
        return median(self.seconds) / self.frames


def main() -> None:
    """Start all, take turns, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write what was found")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--nnunet-python", type=Path)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        systems = list(_systems(told.model, told.frames, told.nnunet_python, Path(scratch)))
        for system in systems:
            system.start()
        for _ in range(ROUNDS):
            for system in systems:
                system.round()
        for system in systems:
            system.process.kill()
    rows = [_row(system, systems[0]) for system in systems]
    print(f"{processor()}; {ROUNDS} rounds in turn")
    print(f"{'':32}" + "".join(f"{name:>13}" for name in COLUMNS))
    for row in rows:
        print(f"{row['system']:32}" + "".join(f"{row[name]:13.2f}" for name in COLUMNS))
    write_text(told.out, json.dumps({"machine": processor(), "rows": rows}, indent=1) + "\n")


def _row(system: System, ours: System) -> dict[str, object]:
    """``times_as_long``: the middle one of the rounds' ratios to ours. ``cores``: processor time over wall time."""
    cpu_s = median(system.cpu_seconds) / system.frames
    ratios = [(a / system.frames) / (b / ours.frames) for a, b in zip(system.seconds, ours.seconds, strict=True)]
    return {
        "system": system.name,
        "ms": 1000 * system.per_frame,
        "fps": 1 / system.per_frame,
        "times_as_long": median(ratios),
        "cpu_s": cpu_s,
        "cores": cpu_s / system.per_frame,
        "peak_mb": system.peak_mb,
        "start_s": system.start_s,
        "frames": system.frames,
        "seconds": system.seconds,
    }


def _systems(model: Path, frames: Path, nnunet: Path | None, scratch: Path) -> list[System]:
    side = [sys.executable, str(HERE / "against_sides.py")]
    found = [
        System(name, [*side, kind, str(model), str(frames), str(scratch / kind)], MANY)
        for name, kind in (
            ("sononerve", "sononerve"),
            ("sononerve, one frame at a time", "single"),
            ("the same network in PyTorch", "eager"),
            ("smp U-Net, ResNet-34, PyTorch", "smp"),
        )
    ]
    if nnunet is not None:
        for name, mirror in (("nnU-Net, its defaults", "mirror"), ("nnU-Net, mirroring off", "plain")):
            command = [str(nnunet), str(HERE / "against_nnunet.py"), mirror, str(frames), str(scratch / "nnunet")]
            found.append(System(name, command, FEW))
    return found


if __name__ == "__main__":
    main()
