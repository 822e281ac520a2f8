"""A run that is planned, and its training: from what was begun to averaged weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..data.dataset import Dataset
from ..data.module import FrameModule, PlainFrames, VariedFrames
from ..data.split import Split
from ..lightning import Callback
from ..losses import MultiTask
from ..models import SegmentationModel
from ..runtime.bundle import Bundle
from .adversarial import Adversarial, build_adversary
from .checkpoint import load_weights
from .config import TrainConfig
from .fit import fit
from .plan import Plan
from .start import draw_back
from .task import Supervised
from .teach import Taught, build_teacher


@dataclass(frozen=True)
class Begun:
    """A run that is planned, with its folder on disk, and all that training it takes.

    ``fitted``: the frames to fit. ``start``: the model that it begins with. ``teachers``: those it learns from.
    """

    config: TrainConfig
    dataset: Dataset
    division: Split
    dropped: dict[str, str]
    fitted: Dataset
    varied: VariedFrames
    plain: PlainFrames
    model: SegmentationModel
    loss: MultiTask
    plan: Plan
    start: Bundle | None = None
    teachers: tuple[Bundle, ...] = ()


def learn(run: Begun, folder: Path, watch: Callback | None = None) -> Begun:
    """Train what was begun, going on from the state in ``folder`` where there is one; its model then is the result.

    ``watch``: what looks on, and may end the training by raising.
    """
    config, plan = run.config, run.plan
    torch.set_num_threads(plan.threads)  # the order of sums depends on it, and with it what a resumed run arrives at
    data = FrameModule(run.varied, run.plain, plan.choices.batch, plan.steps_per_round, plan.workers, config.seed)
    task = _task(run)
    task.load_state_dict(load_weights(fit(task, data, config, plan, folder, watch)))
    if run.start is not None:
        draw_back(run.model, run.start, config, run.dataset.classes, plan.choices.start_share)
    return run


def _task(run: Begun) -> Supervised:
    config, classes = run.config, run.dataset.classes
    told = (run.model, run.loss, config.optimiser, run.plan.steps, config.seed, classes)
    adversary = build_adversary(config, len(classes))
    if adversary is not None:
        return Adversarial(*told, adversary)
    teacher = build_teacher(run.teachers, run.dataset, run.plan.preprocess)
    return Supervised(*told) if teacher is None else Taught(*told, teacher, config.teach.share)
