"""How long a frame takes with networks of many sizes in int8, whatever they have learned: what fits into 20 ms.

sononerve phantom --out drawn --subjects 8 --frames 1 --set height=542 --set width=562
python benchmarks/fast_networks.py --data drawn --work networks

Each network is trained for one step and rounded to int8, which takes a while, and is kept in the folder; then all are
timed in turn on the same frames, on all cores and on one. Engines other than the default, and what they cost in Dice,
are not looked at here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from sononerve.data.dataset import load_dataset
from sononerve.frame import Frame
from sononerve.process import processor
from sononerve.runtime.bundle import Bundle, write_bundle
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.race import race
from sononerve.train.quantise import quantise

RESULT = Path(__file__).parent / "results" / "fast_networks.json"


@dataclass(frozen=True)
class Candidate:
    """A network of the registry on a canvas of ``size`` pixels, with settings beside its usual ones."""

    model: str
    size: int
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As ``unet-256-width=24``."""
        return "-".join([self.model, str(self.size), *self.settings])


WIDEST = ("network.width=48",)
WIDE = ("network.width=32",)
NARROW = ("network.width=24",)
NARROWEST = ("network.width=16",)
BATCH = ("network.norm=batch",)
MOBILE = ("network.encoder=mobilenet_v2",)
UNTAUGHT = ("network.weights=none",)
THIN = (*UNTAUGHT, "network.width=16", "network.widest=128")
TWICE = ("network.mirrored=true",)
LITE = ("network.encoder=efficientnet_lite0",)
CANDIDATES = (
    Candidate("unet", 192, NARROWEST),
    Candidate("unet", 256, NARROWEST),
    Candidate("unet", 256, NARROW),
    Candidate("unet", 256, NARROW + BATCH),
    Candidate("unet", 256, WIDE),
    Candidate("unet", 256, WIDE + BATCH),
    Candidate("unet", 256, WIDEST),
    Candidate("unet", 320, NARROW),
    Candidate("unet", 320, WIDE),
    Candidate("unet", 320, WIDE + BATCH),
    Candidate("unet", 384, NARROW),
    Candidate("unet", 384, WIDE + BATCH),
    Candidate("unet", 512, NARROW + BATCH),
    Candidate("unet-notebook", 256),
    Candidate("unet-notebook", 192),
    Candidate("attention-unet", 256, NARROW),
    Candidate("transcgu-net", 256, NARROW),
    Candidate("vgg16-unet", 192, UNTAUGHT),
    Candidate("vgg16-unet", 256, UNTAUGHT),
    Candidate("vgg16-unet", 256, (*UNTAUGHT, "network.stages=4")),
    Candidate("mobile-unet", 256, UNTAUGHT),
    Candidate("mobile-unet", 384, UNTAUGHT),
    Candidate("mobile-unet", 256, THIN),
    Candidate("mobile-unet", 256, THIN + LITE),
    Candidate("mobile-unet", 256, THIN + TWICE),
    Candidate("mobile-unet", 320, THIN),
    Candidate("mobile-unet", 384, THIN),
    Candidate("mobile-unet", 384, THIN + TWICE),
    Candidate("smp-unet", 256, MOBILE),
    Candidate("smp-unet", 384, MOBILE),
    Candidate("smp-unetplusplus", 256, MOBILE),
    Candidate("smp-deeplabv3plus", 384, MOBILE),
)
CALIBRATED_ON = 4
TIMED = 40


def main() -> None:
    """Make, time, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--make-only", action="store_true", help="make the networks and stop")
    told = parser.parse_args()
    dataset = load_dataset(told.data)
    frames = [dataset[i].frame for i in range(len(dataset))]
    made = {candidate.name: _made(candidate, told.data, frames, told.work) for candidate in CANDIDATES}
    if told.make_only:
        return
    timed = (frames * (1 + TIMED // len(frames)))[:TIMED]
    found = {threads: _timed(made, timed, EngineChoice(precision="int8", threads=threads)) for threads in (None, 1)}
    rows = {
        name: {"p50_ms": median(ms), "p90_ms": float(np.quantile(ms, 0.9)), "one_core_p50_ms": median(found[1][name])}
        for name, ms in found[None].items()
    }
    for name, row in sorted(rows.items(), key=lambda item: item[1]["p50_ms"]):
        print(f"{row['p50_ms']:6.1f} ms, on one core {row['one_core_p50_ms']:6.1f} ms  {name}")
    result = {"machine": processor(), "frames": TIMED, "shape": frames[0].shape, "networks": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def _timed(made: dict[str, Path], frames: list[Frame], choice: EngineChoice) -> dict[str, list[float]]:
    """Milliseconds of each frame, for each network by name."""
    return race({name: Predictor.load(path, choice) for name, path in made.items()}, frames)


def _made(candidate: Candidate, data: Path, frames: list[Frame], work: Path) -> Path:
    """The folder of the network's bundle in int8, made where it is not there yet."""
    out, run = work / candidate.name, work / "run"
    if out.is_dir():
        return out
    print("make", candidate.name, flush=True)
    shutil.rmtree(run, ignore_errors=True)
    settings = [part for setting in candidate.settings for part in ("--set", setting)]
    train = ["train", str(data), "--out", str(run), "--model", candidate.model, "--size", str(candidate.size)]
    command = [str(Path(sys.executable).parent / "sononerve"), *train, "--set", "steps=1", *settings]
    subprocess.run(command, check=True, capture_output=True)
    bundle = quantise(Bundle.open(run), frames[:CALIBRATED_ON], lambda _: 0.0).bundle
    write_bundle(out, bundle.files)
    return out


if __name__ == "__main__":
    main()
