"""Train the models that come with sononerve, and the teachers that they learn from where the recipe has some.

    python scripts/train_release.py usgra-seg --split docs/results/release/outside.json --work release \\
      --elsewhere brachial-plexus --ship
    python scripts/train_release.py usgra-seg --split docs/results/release/search.json --fold 0 --work release-fold0

The first makes what is shipped, scored on the frames that no search has seen; the second is a fold of the same recipe's
cross-validation. A training that was interrupted goes on. ``--work`` then holds the runs, each student as one file, and
release.json with what was run, on what, how long it took and how it scored. ``--elsewhere`` is data that are measured
on and enter no training.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sononerve import __version__
from sononerve.data.dataset import load_dataset
from sononerve.evaluate.run import evaluate
from sononerve.evaluate.scores import Scores
from sononerve.io.atomic import write_text
from sononerve.process import keep_memory, processor
from sononerve.runtime.bundle import SCORES, Bundle, noted, zip_bundle
from sononerve.runtime.installed import FOLDER
from sononerve.train.card import score_table
from sononerve.train.log import training_seconds
from sononerve.train.plan import Plan
from sononerve.train.run import PLAN

VERB = str(Path(sys.executable).parent / "sononerve")
NOTE = Path(__file__).parent / "release_note.md"
CROPS, DRAWN = "crops without a nerve and with it, of the held-out frames", "drawn frames (the phantom)"


@dataclass(frozen=True)
class Training:
    """A network of the recipe: the words of `sononerve train` that make it, and whether it learns from the teachers."""

    words: tuple[str, ...]
    taught: bool = False


MOBILE = ("--model", "mobile-unet", "--set", "network.width=16", "--set", "network.widest=128")
TEACHERS: dict[str, Training] = {}
STUDENTS = {
    "realtime": Training((*MOBILE, "--size", "256", "--budget", "60m")),
    "accurate": Training((*MOBILE, "--size", "384", "--set", "network.mirrored=true", "--budget", "60m")),
}
RECIPE = TEACHERS | STUDENTS
ALL = ("--precision", "bf16", "--seed", "0")


def main() -> None:
    """Train what is missing, pack the students, measure them elsewhere, write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--elsewhere", type=Path, help="data to measure on beside the held-out frames")
    parser.add_argument("--ship", action="store_true", help="put the students into the package")
    parser.add_argument("--quick", action="store_true", help="a minute for each network: to try the script")
    told = parser.parse_args()
    keep_memory()
    told.work.mkdir(parents=True, exist_ok=True)
    for name, training in RECIPE.items():
        trained(told, name, training)
    networks = {name: outcome(told.work / name) for name in TEACHERS}
    for name in STUDENTS:
        file = packed(told.work / name)
        others = elsewhere(told, file)
        add_note(file, others)
        networks[name] = outcome(told.work / name) | {"elsewhere": {where: dice(s) for where, s in others.items()}}
        if told.ship:
            shutil.copy(file, FOLDER / file.name)
    about = {"sononerve": __version__, "data": told.data.resolve().name, "split": told.split.name, "fold": told.fold}
    release = {**about, "processor": processor(), "networks": networks}
    write_text(told.work / "release.json", json.dumps(release, indent=1) + "\n")
    print(json.dumps({name: one["dice"] for name, one in networks.items()}))


def trained(told: argparse.Namespace, name: str, training: Training) -> None:
    """Train it, or go on where it stopped; nothing where it is finished."""
    run = told.work / name
    if (run / SCORES).is_file():
        return
    words = ["--resume"]
    if not run.is_dir():
        words = ["--split", str(told.split), "--fold", str(told.fold), *ALL, *training.words]
        words += ["--budget", "1m"] if told.quick else []
        if training.taught:
            words += [word for teacher in TEACHERS for word in ("--teacher", str(told.work / teacher))]
    subprocess.run([VERB, "train", str(told.data), "--out", str(run), *words], check=True)


def packed(run: Path) -> Path:
    """The run as one small file, in int8 alone."""
    file = run.with_suffix(".sono")
    words = ["--precision", "int8", "--slim", "--overwrite"]
    subprocess.run([VERB, "export", str(run), *words, "-o", str(file)], check=True)
    return file


def elsewhere(told: argparse.Namespace, file: Path) -> dict[str, Scores]:
    """Scores on crops of the held-out frames, half of them without a nerve, on drawn frames, and on other data."""
    part = ["--split", str(told.split), "--fold", str(told.fold), "--part", "test"]
    folders = {
        CROPS: _made(told.work / "crops", "negatives", str(told.data), *part),
        DRAWN: _made(told.work / "drawn", "phantom", "--subjects", "40", "--frames", "2", "--seed", "1"),
    }
    if told.elsewhere is not None:
        folders[told.elsewhere.resolve().name] = told.elsewhere
    return {where: evaluate(Bundle.open(file), load_dataset(folder)).scores for where, folder in folders.items()}


def _made(folder: Path, *words: str) -> Path:
    """A data set by a verb, once."""
    if not folder.is_dir():
        subprocess.run([VERB, *words, "--out", str(folder)], check=True)
    return folder


def add_note(file: Path, others: dict[str, Scores]) -> None:
    """Put to the end of its card how it scores elsewhere, and what is to be said of it in words."""
    tables = [f"## On {where}\n\n{score_table(scores)}" for where, scores in others.items()]
    zip_bundle(noted(Bundle.open(file), "\n\n".join([*tables, NOTE.read_text(encoding="utf-8")])), file)


def outcome(run: Path) -> dict[str, object]:
    """What a network took, and its Dice on the held-out frames: a student's as it is packed."""
    file = run.with_suffix(".sono")
    bundle, plan = Bundle.open(file if file.is_file() else run), Plan.read(run / PLAN)
    classes = json.loads(bundle.files[SCORES])["overall"]["classes"]
    return {
        "command": ["sononerve", "train", "DATA", *ALL, *RECIPE[run.name].words],
        "steps": plan.steps,
        "minutes_of_steps": round(training_seconds(run) / 60, 1),
        "parameters": plan.parameters,
        "bytes": file.stat().st_size if file.is_file() else None,
        "dice": {name: one["scores"]["dice"] for name, one in classes.items()},
    }


def dice(scores: Scores) -> dict[str, object]:
    """Dice of each class with its interval, and false positives."""
    return {
        name: {
            "dice": None if (found := one.scores["dice"]) is None else [found.value, found.low, found.high],
            "false_positive_rate": None if (rate := one.false_positive_rate) is None else rate.value,
        }
        for name, one in scores.overall.classes.items()
    }


if __name__ == "__main__":
    main()
