"""Draw docs/images/explain.jpg: a synthetic frame of a held-out subject, explained.

Run: python docs/make_explain_picture.py FOLDER; frames and run are made there unless they are there already. The
training takes a minute and a half of one core's time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).parent / "images" / "explain.jpg"
FRAME = "images/17_1.png"
WIDTH, QUALITY = 1170, 80

PHANTOM = (
    *("--subjects", "48", "--frames", "3", "--size", "128", "--no-vessels", "--empty", "0.1", "--machines", "4"),
    *("--set", "nerve.bright_db=[10, 12]", "--set", "nerve.more=0", "--set", "nerve.roots=0"),
    *("--set", "needle.share=0", "--set", "probe.fill=1", "--set", "tissue.decoys=1"),
)
"""Bright single nerves, which a small network learns in little time."""
TRAINING = (
    *("--model", "attention-unet", "--size", "96", "--batch", "16", "--workers", "0", "--precision", "32"),
    *("--set", "network.width=16", "--set", "network.depth=4", "--set", "network.fold=1", "--set", "steps=120"),
    *("--learning-rate", "0.01", "--set", "augment.elastic.p=0", "--set", "augment.flip_vertical.p=0"),
)


def sononerve(*words: str | Path) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-c", "from sononerve.cli import main; main()", *map(str, words)], check=True)


def main(folder: Path) -> None:
    """Draw, train, explain, and keep the figure as the picture of the page."""
    frames, run, out = folder / "frames", folder / "run", folder / "explained"
    if not frames.exists():
        sononerve("phantom", "--out", frames, *PHANTOM)
    if not run.exists():
        sononerve("train", frames, "--out", run, *TRAINING)
    if FRAME not in json.loads((run / "split.json").read_text(encoding="utf-8"))["folds"][0]["test"]:
        sys.exit(f"{FRAME} is not held out; choose another FRAME")
    sononerve("explain", frames / FRAME, "--model", run, "--out", out)
    figure = Image.open(out / Path(FRAME).name).convert("RGB")
    height = round(figure.height * WIDTH / figure.width)
    figure.resize((WIDTH, height), Image.Resampling.LANCZOS).save(PICTURE, quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
