"""Train the models that come with sononerve: ``accurate`` is one network by three seeds, ``realtime`` their student.

    python scripts/train_release.py usgra-seg --split docs/results/release/outside.json --work release \\
      --elsewhere brachial-plexus --ship
    python scripts/train_release.py usgra-seg --split docs/results/release/search.json --fold 0 --work release-fold0 \\
      --as-trained

The first makes what is shipped, scored on the frames that no search has seen; the second is a fold of the same recipe's
cross-validation, which `release_folds.py` puts together. A training that was interrupted goes on. ``--work`` then holds
the runs, each model as one file, its scores by frame, and release.json with what was run, on what, how long it took and
how it scored. ``--elsewhere`` is data that are measured on and enter no training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from math import ceil
from pathlib import Path

from sononerve import __version__
from sononerve.data.dataset import load_dataset
from sononerve.data.split import Split
from sononerve.evaluate.run import Evaluation, evaluate
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
NETWORK = ("--model", "mobile-unet", "--set", "network.width=16", "--set", "network.widest=128", "--size", "256")
PASSES, STUDENT_PASSES = 330, 105  # over the frames to fit; twice 330 gained nothing
BATCH, LOOKS = 16, 40
ALL = ("--batch", str(BATCH), "--precision", "bf16", "--set", "strength=1", "--set", "negatives.judge=true")
TAUGHT = ("--set", "teach.share=0.75", "--set", "optimiser.learning_rate=0.001", "--set", "start_share=0")
SEEDS, STUDENT = ("seed0", "seed1", "seed2"), "student"
MODELS = {"realtime": (STUDENT,), "accurate": SEEDS}
UNTAUGHT = {"untaught": SEEDS[:1]}  # what the student gains on is known from folds; it is not shipped


def main() -> None:
    """Train what is missing, pack the models, measure them elsewhere, write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--elsewhere", type=Path, help="data to measure on beside the held-out frames")
    parser.add_argument("--ship", action="store_true", help="put the models into the package")
    parser.add_argument("--as-trained", action="store_true", help="pack nothing; score what was trained, in fp32")
    parser.add_argument("--quick", action="store_true", help="40 steps for each network: to try the script")
    told = parser.parse_args()
    if told.ship and told.as_trained:
        parser.error("--ship: packs the models; leave --as-trained out")
    keep_memory()
    told.work.mkdir(parents=True, exist_ok=True)
    words = {name: [*recipe(told, PASSES), *NETWORK, "--seed", name[-1]] for name in SEEDS}
    words[STUDENT] = [*recipe(told, STUDENT_PASSES), *taught([told.work / name for name in SEEDS])]
    runs, dataset = {name: trained(told, name, words[name]) for name in words}, load_dataset(told.data)
    models: dict[str, dict[str, object]] = {}
    for name, of_runs in (MODELS | UNTAUGHT if told.as_trained else MODELS).items():
        model = joined(told, name, [runs[one] for one in of_runs])
        model = model if told.as_trained else packed(told, name, model)
        found, others = evaluate(Bundle.open(model), dataset), elsewhere(told, model)
        measured = {"held out": found.scores} | others
        models[name] = {where: told_of(scores) for where, scores in measured.items()}
        write_text(told.work / f"{name}.json", by_frame(found))
        if not told.as_trained:
            models[name]["bytes"] = model.stat().st_size
        if told.ship:
            ship(model, others)
    about = {"sononerve": __version__, "data": told.data.resolve().name, "split": told.split.name, "fold": told.fold}
    networks = {name: training(run) | {"command": words[name]} for name, run in runs.items()}
    release = about | {"processor": processor(), "networks": networks, "models": models}
    write_text(told.work / "release.json", json.dumps(release, indent=1) + "\n")
    print(json.dumps({name: one["held out"] for name, one in models.items()}))


def recipe(told: argparse.Namespace, passes: int) -> list[str]:
    """What every training is told."""
    frames = len(Split.read(told.split).folds[told.fold].fit)
    steps = LOOKS if told.quick else LOOKS * ceil(passes * frames / BATCH / LOOKS)
    return ["--split", str(told.split), "--fold", str(told.fold), *ALL, "--set", f"steps={steps}"]


def taught(teachers: list[Path]) -> list[str]:
    """What the student is told beside: it goes on from the first of its teachers."""
    told = [word for teacher in teachers for word in ("--teacher", str(teacher))]
    return ["--from", str(teachers[0]), *told, *TAUGHT, "--seed", "0"]


def trained(told: argparse.Namespace, name: str, words: list[str]) -> Path:
    """A run, trained here, or gone on with; nothing where it is finished."""
    run = Path(told.work / name)
    if not (run / SCORES).is_file():
        further = ["--resume"] if run.is_dir() else words
        subprocess.run([VERB, "train", str(told.data), "--out", str(run), *further], check=True)
    return run


def joined(told: argparse.Namespace, name: str, runs: list[Path]) -> Path:
    """The run, or several as one model."""
    if len(runs) == 1:
        return runs[0]
    model = Path(told.work / f"{name}-fp32.sono")
    subprocess.run([VERB, "ensemble", *map(str, runs), "--out", str(model), "--overwrite"], check=True)
    return model


def packed(told: argparse.Namespace, name: str, model: Path) -> Path:
    """The model as one small file, in int8 alone; made once."""
    file = Path(told.work / f"{name}.sono")
    if not file.is_file():
        whole = ["--precision", "int8", "--slim", "--data", str(told.data), "-o", str(file)]
        subprocess.run([VERB, "export", str(model), *whole], check=True)
    return file


def elsewhere(told: argparse.Namespace, model: Path) -> dict[str, Scores]:
    """Scores on crops of the held-out frames, half of them without a nerve, on drawn frames, and on other data."""
    part = ["--split", str(told.split), "--fold", str(told.fold), "--part", "test"]
    folders = {
        CROPS: _made(told.work / "crops", "negatives", str(told.data), *part),
        DRAWN: _made(told.work / "drawn", "phantom", "--subjects", "40", "--frames", "2", "--seed", "1"),
    }
    if told.elsewhere is not None:
        folders[told.elsewhere.resolve().name] = told.elsewhere
    return {where: evaluate(Bundle.open(model), load_dataset(folder)).scores for where, folder in folders.items()}


def _made(folder: Path, *command: str) -> Path:
    """A data set by a verb, once."""
    if not folder.is_dir():
        subprocess.run([VERB, *command, "--out", str(folder)], check=True)
    return folder


def ship(model: Path, others: dict[str, Scores]) -> None:
    """Put the model into the package, its card with how it scores elsewhere and what is to be said of it in words."""
    tables = [f"## On {where}\n\n{score_table(scores)}" for where, scores in others.items()]
    FOLDER.mkdir(exist_ok=True)
    zip_bundle(noted(Bundle.open(model), "\n\n".join([*tables, NOTE.read_text(encoding="utf-8")])), FOLDER / model.name)


def training(run: Path) -> dict[str, object]:
    """What a network took."""
    plan = Plan.read(run / PLAN)
    return {
        "steps": plan.steps,
        "minutes_of_steps": round(training_seconds(run) / 60, 1),
        "accelerator": plan.choices.accelerator,
        "parameters": plan.parameters,
    }


def by_frame(evaluation: Evaluation) -> str:
    """JSON of each held-out frame: its group, presence, and the Dice of each class that it holds."""
    frames = [
        {"name": one.name, "group": one.group, "presence": one.presence}
        | {"dice": {name: scored.dice for name, scored in one.classes.items()}}
        for one in evaluation.results
    ]
    return json.dumps(frames, indent=1) + "\n"


def told_of(scores: Scores) -> dict[str, object]:
    """Dice of each class with its interval, false positives, and how well presence is told."""
    told: dict[str, object] = {
        name: {
            "dice": None if (found := one.scores["dice"]) is None else [found.value, found.low, found.high],
            "false_positive_rate": None if (rate := one.false_positive_rate) is None else rate.value,
        }
        for name, one in scores.overall.classes.items()
    }
    auroc = scores.overall.presence_auroc
    return told | {"presence_auroc": None if auroc is None else [auroc.value, auroc.low, auroc.high]}


if __name__ == "__main__":
    main()
