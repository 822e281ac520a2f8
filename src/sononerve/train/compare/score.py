"""From a finished training to its result: what it took by its own records, and how its bundle scores and runs."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from PIL import Image

from ... import __version__
from ...data.dataset import Dataset
from ...evaluate.run import Evaluation, evaluate
from ...frame import Frame
from ...progress import counted
from ...runtime.bundle import Bundle
from ...runtime.engine import EngineChoice
from ...runtime.race import race
from ..log import rounds_of_stages
from ..plan import Plan
from ..run import BUNDLE, PLAN
from .latency import some_frames
from .launch import launch, noted
from .recipe import Run
from .results import Looked, Machine, Planned, Predicted, Result, Trained


def score(run: Run, folder: Path, log: Path, dataset: Dataset, threads: int | None) -> Result:
    """The result of the training in ``folder``, whose processes wrote to ``log``."""
    plan = Plan.read(folder / PLAN)
    with counted(f"score {run.name}") as progress:
        evaluation = evaluate(
            Bundle.open(folder / BUNDLE), dataset, choice=EngineChoice(threads=threads), progress=progress
        )
    return Result(
        sononerve=__version__,
        label=run.entry.label,
        model=run.entry.model,
        settings=run.entry.settings,
        fold=run.fold,
        seed=run.seed,
        data=evaluation.scores.data,
        split=evaluation.scores.split,
        classes=dataset.classes,
        truth=evaluation.scores.truth,
        unit=evaluation.scores.unit,
        warnings=evaluation.scores.warnings,
        machine=Machine(
            cpu_count=os.cpu_count() or 1,
            threads=plan.threads,
            accelerator=plan.choices.accelerator,
            precision=plan.choices.precision,
        ),
        plan=Planned(
            steps=plan.steps,
            step_s=plan.step_s,
            batch=plan.choices.batch,
            height=plan.preprocess.height,
            width=plan.preprocess.width,
            strength=plan.choices.strength,
            parameters=plan.parameters,
            network=plan.choices.network,
        ),
        training=_trained(folder, log),
        curve=learning_curve(folder, dataset.classes),
        prediction=_predicted(evaluation, folder, log, threads),
        frames=tuple(frame.without_details() for frame in evaluation.results),
    )


def _trained(folder: Path, log: Path) -> Trained:
    steps, seconds, busy = 0, 0.0, 0.0
    for rounds in rounds_of_stages(folder):
        ends = [0.0, *(float(row["seconds"]) for row in rounds)]
        spans = zip(rounds, ends[:-1], ends[1:], strict=True)
        busy += sum(float(row["cores"]) * (end - start) for row, start, end in spans)
        steps, seconds = steps + int(rounds[-1]["step"]), seconds + ends[-1]
    processes = noted(log)
    return Trained(
        steps=steps,
        steps_s=seconds,
        cores=busy / max(1e-9, seconds),
        processes=len(processes),
        wall_s=sum(usage.wall_s for usage in processes),
        cpu_s=sum(usage.cpu_s for usage in processes),
        peak_bytes=max((usage.peak_bytes for usage in processes if usage.peak_bytes), default=None),
    )


def learning_curve(folder: Path, classes: tuple[str, ...]) -> tuple[Looked, ...]:
    """Every look at the tune part; of a training in stages those of its last."""
    *_, rounds = rounds_of_stages(folder)
    return tuple(
        Looked(step=int(row["step"]), dice={name: float(row[f"tune_dice_{name}"]) for name in classes})
        for row in rounds
    )


def _predicted(evaluation: Evaluation, folder: Path, log: Path, threads: int | None) -> Predicted:
    frames = some_frames(evaluation.dataset, evaluation.indices)
    taken = race({"": evaluation.predictor}, frames)[""]
    return Predicted(
        latency_ms=statistics.median(taken),
        frames=len(taken),
        threads=threads or os.cpu_count() or 1,
        peak_bytes=_memory(frames[0], folder, log, threads),
    )


def _memory(frame: Frame, folder: Path, log: Path, threads: int | None) -> int | None:
    """Peak memory of a process that predicts one frame; None where it failed, which its log then tells."""
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "frame.png"
        Image.fromarray(frame.pixels).save(picture)
        arguments = ["predict", str(picture), "--model", str(folder), "--out", f"{scratch}/masks", "--no-overlays"]
        if threads is not None:
            arguments += ["--threads", str(threads)]
        usage = launch(arguments, log.with_name(f"{folder.name}-predict.log"), threads)
    return usage.peak_bytes if usage.status == 0 else None
