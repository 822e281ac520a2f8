"""A refiner that learns from the errors real networks make: on frames that they have not seen.

The frames to fit are divided by group into inner folds. For each a network is trained without it, and answers for it.
Then the final network is trained on all of them, and a refiner on the answers that the inner ones gave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.canvases import Canvases
from ..data.coarse import CoarseMaps, write_maps
from ..data.module import PlainFrames, VariedFrames, collate
from ..data.split import inner_folds
from ..models import SegmentationModel, build
from ..models.refiner import Refined
from ..progress import console
from .begun import Begun, learn
from .config import AdversaryConfig
from .plan import Plan
from .pretrained import load_pretrained

STAGES, INNER, COARSE, REFINER = "stages", "without-{number}", "coarse", "refiner"
LEFT_OUT, TUNE = "left_out.npy", "tune.npy"
ASKED_AT_ONCE = 8


def learn_refined(run: Begun, out: Path) -> Begun:
    """Train all stages, each in its folder below ``out``, and return the run with the refined model.

    A stage that is over is not repeated, one that was stopped goes on. Raises `InputError` for too few groups.
    """
    stages, config = out / STAGES, run.config
    folds = inner_folds(run.fitted, run.division, config.refine.folds, config.seed)
    silent = replace(run, config=config.model_copy(update={"adversary": AdversaryConfig()}))
    files = [_left_out(silent, stages, number, fold) for number, fold in enumerate(folds, start=1)]
    _tell(COARSE, run.plan, len(run.fitted))
    learn(silent, stages / COARSE)
    tuned = stages / COARSE / TUNE
    _ask(silent, run.plain, tuned)
    places = np.zeros((len(run.fitted), 2), np.int64)
    for number, fold in enumerate(folds):
        places[fold] = [(number, row) for row in range(len(fold))]
    refiner = config.refine.build(len(run.dataset.classes), config.seed)
    assert refiner is not None
    model = Refined(run.model, refiner)
    plan = shorter(run.plan, config.refine.length)
    _tell(REFINER, plan, len(run.fitted))
    stage = replace(
        run,
        model=model,
        loss=config.loss.build(),
        varied=_varied(run, _whole(run), CoarseMaps(tuple(files), places)),
        plain=PlainFrames(run.plain.canvases, run.plain.preprocess, CoarseMaps.of(tuned)),
        plan=plan,
    )
    learn(stage, stages / REFINER)
    return replace(run, model=model)


def _left_out(run: Begun, stages: Path, number: int, fold: list[int]) -> Path:
    """The file with the answers for a fold, of a network that is trained without it."""
    name = INNER.format(number=number)
    path = stages / name / LEFT_OUT
    if path.is_file():
        return path
    config, canvases = run.config, _whole(run)
    kept = np.setdiff1d(np.arange(len(run.fitted)), fold)
    torch.manual_seed(config.seed + number)
    model = build(config.model, config.network, len(run.dataset.classes))
    load_pretrained(model)
    inner = replace(
        run,
        fitted=run.fitted.select(kept.tolist()),
        model=model,
        loss=config.loss.build(model.heads),
        varied=_varied(run, _only(canvases, kept)),
        plan=shorter(run.plan, config.refine.inner),
    )
    _tell(name, inner.plan, len(kept))
    learn(inner, stages / name)
    _ask(inner, PlainFrames(_only(canvases, np.array(fold)), run.plain.preprocess), path)
    return path


def _varied(run: Begun, canvases: Canvases, coarse: CoarseMaps | None = None) -> VariedFrames:
    """Frames that are varied as the run's are."""
    like = run.varied
    return VariedFrames(canvases, like.preprocess, like.augment, like.seed, coarse)


def _whole(run: Begun) -> Canvases:
    """The frames to fit; close-ups among them are refused with the settings."""
    assert isinstance(run.varied.canvases, Canvases)
    return run.varied.canvases


def _only(canvases: Canvases, chosen: NDArray[np.int64]) -> Canvases:
    return replace(canvases, rows=canvases.rows[chosen])


def shorter(plan: Plan, share: float) -> Plan:
    """The plan of another stage, with this share of the steps."""
    rounds = max(1, round(share * plan.rounds))
    steps = rounds * max(1, round(share * plan.steps / rounds))
    return plan.model_copy(update={"rounds": rounds, "steps": steps})


def _ask(run: Begun, frames: PlainFrames, path: Path) -> None:
    """Write what the run's model answers for these frames, where it is not there yet."""
    if not path.is_file():
        preprocess = frames.preprocess
        shape = len(frames), len(run.dataset.classes), preprocess.height, preprocess.width
        write_maps(path, _answers(run.model, frames, torch.device(run.plan.choices.accelerator)), shape)


def _answers(model: SegmentationModel, frames: PlainFrames, device: torch.device) -> Iterator[NDArray[np.float32]]:
    model.eval().to(device)
    for first in range(0, len(frames), ASKED_AT_ONCE):
        batch = collate([frames[i] for i in range(first, min(first + ASKED_AT_ONCE, len(frames)))])
        with torch.no_grad():
            found = model(batch.frames.to(device)).probabilities().float().cpu().numpy()
        yield from found
    model.train().cpu()


def _tell(name: str, plan: Plan, frames: int) -> None:
    console.print(f"stage {name}: {plan.steps} steps on {frames} frames")
