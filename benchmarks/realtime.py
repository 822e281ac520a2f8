"""How soon a frame is answered, how steadily, and how fast a clip is: read, segmented, smoothed, drawn and written.

sononerve phantom --out drawn --subjects 4 --frames 150 --video --set height=542 --set width=562
python benchmarks/realtime.py --model model.sono --clips drawn/clips

Between the frames a fixed convolution is timed: what it takes now and then too long is the machine's doing. With
``--long`` a clip of ten minutes is made of the others, and what memory the process holds is looked at all the time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from sononerve.io import video
from sononerve.io.atomic import write_text
from sononerve.io.clip import Clip
from sononerve.io.stream import open_stream
from sononerve.process import keep_memory, one_thread, processor
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.recording import Kept, record
from sononerve.runtime.stream import segment_stream

LOOKS, ROUNDS = 400, 2
LONG_S, FPS = 600, 20.0
RESULT = Path(__file__).parent / "results" / "realtime.json"


def main() -> None:
    """Time, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write what was found")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--long", action="store_true", help="also a clip of ten minutes, which takes some")
    told = parser.parse_args()
    clips = sorted(told.clips.iterdir())
    result = {
        "machine": processor(),
        "latency": latency(told.model, clips[0]),
        "start_to_first_mask_s": start(told.model, clips[0]),
        "clips": clip_speed(told.model, clips),
        "frames_at_once": frames_at_once(told.model, clips),
        **({"ten_minutes": long_clip(told.model, clips)} if told.long else {}),
    }
    print(json.dumps(result, indent=1))
    write_text(told.out, json.dumps(result, indent=1) + "\n")


def latency(model: Path, clip: Path) -> dict[str, float]:
    """Milliseconds of `Predictor.predict` on frames in memory, and of the convolution in between."""
    keep_memory()
    frames = list(video.read_all(clip))
    predictor = Predictor.load(model)
    picture, weights = torch.zeros(1, 64, 160, 160), torch.zeros(64, 64, 3, 3)
    taken, fixed = [], []
    predictor.predict(frames[0])
    with torch.inference_mode():
        for number in range(LOOKS):
            frame = frames[number % len(frames)]
            F.conv2d(picture, weights, padding=1)  # warm: the other's threads have the cores
            began = time.perf_counter()
            F.conv2d(picture, weights, padding=1)
            fixed.append(1000 * (time.perf_counter() - began))
            predictor.predict(frame)
            began, used = time.perf_counter(), time.process_time()
            predictor.predict(frame)
            taken.append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)))
    wall, cpu = np.array(taken).T
    return {
        "p50_ms": float(np.median(wall)),
        "p99_ms": float(np.quantile(wall, 0.99)),
        "convolution_p50_ms": float(np.median(fixed)),
        "convolution_p99_ms": float(np.quantile(fixed, 0.99)),
        "cores": float(cpu.sum() / wall.sum()),
        "frames": len(wall),
    }


def start(model: Path, clip: Path) -> float:
    """Seconds from starting a process to its first mask, the middle one of three."""
    code = (
        "import sys; from sononerve import Predictor, read_frame; "
        "print(Predictor.load(sys.argv[1]).predict(read_frame(sys.argv[2], 0)).labels.sum())"
    )
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(model), str(clip)], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return sorted(times)[1]


class OneByOne(Predictor):
    """Asked for one frame at a time, as of a camera."""

    at_once = 1


def frames_at_once(model: Path, clips: list[Path]) -> dict[str, float]:
    """Frames a second of a recording where two frames are looked at side by side, and where it is one: all in turn."""
    keep_memory()
    ways = {"two": Predictor.load(model), "one": OneByOne.load(model)}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder, one_thread():
        for number in range(1 + ROUNDS * len(clips)):  # the first compiles
            stream = open_stream(clips[number % len(clips)])
            for name, predictor in ways.items():
                moments = segment_stream(predictor, stream)
                out = Path(folder) / f"{number}-{name}"
                told = record(moments, out, stream.name, predictor.identity, stream.fps, Kept())
                if number:
                    taken[name].append(told.fps)
    return {name: median(fps) for name, fps in taken.items()}


def clip_speed(model: Path, clips: list[Path]) -> dict[str, float]:
    """Frames a second of `sononerve video` with all that it writes, the start of the process in it."""
    with tempfile.TemporaryDirectory() as out:
        command = [str(Path(sys.executable).parent / "sononerve"), "video", *map(str, clips), "--model", str(model)]
        began = time.perf_counter()
        done = subprocess.run([*command, "--out", out, "--json"], check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - began
    told = json.loads(done.stdout)
    frames = sum(one["frames"] for one in told)
    return {
        "clips": len(told),
        "frames": frames,
        "fps": frames / seconds,
        "fps_within": frames / sum(one["seconds"] for one in told),
        "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def long_clip(model: Path, clips: list[Path]) -> dict[str, float]:
    """Memory in MB of `sononerve video` on one clip of ten minutes: after each tenth of the time, and the most."""
    with tempfile.TemporaryDirectory() as folder:
        path, frames = Path(folder) / "long.mp4", 0
        first = next(video.read_all(clips[0]))
        with Clip(path, first.shape, FPS) as clip:
            while frames < LONG_S * FPS:
                for frame in video.read_all(clips[frames % len(clips)]):
                    clip.add(frame.pixels)
                    frames += 1
        command = [str(Path(sys.executable).parent / "sononerve"), "video", str(path), "--model", str(model)]
        began, held = time.perf_counter(), []
        process = subprocess.Popen([*command, "--out", str(Path(folder) / "out"), "--json"], stdout=subprocess.PIPE)
        while process.poll() is None:
            held.append(_held_mb(process.pid))
            time.sleep(1)
        seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(f"sononerve video ended with status {process.returncode}")
    tenths = {f"mb_after_{10 * i}_percent": held[len(held) * i // 10] for i in range(1, 10)}
    return {"frames": frames, "seconds": seconds, "fps": frames / seconds, **tenths, "peak_mb": max(held)}


def _held_mb(pid: int) -> float:
    """Resident memory of a process; 0 when it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except (OSError, IndexError):
        return 0.0


if __name__ == "__main__":
    main()
