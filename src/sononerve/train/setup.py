"""What a training is set up with: a look at the data, what is odd about them, what was chosen, and the canvas."""

from __future__ import annotations

import math
import time

from pydantic import BaseModel, ConfigDict

from ..data.dataset import Dataset
from ..data.preprocess import Preprocess
from ..data.split import Split
from ..models import build
from .choose import Choices, canvas_shape, choose
from .config import TrainConfig
from .facts import Facts, look_at
from .judge import can_be_judged
from .oddities import oddities
from .teach import Teacher

BUDGET_USED = 0.9  # of the budget; the rest is for a machine that slows down
LOOP = 1.08  # feeding, logging and saving beside the steps: 1.04 and 1.09 in two trainings of 38 steps a round
PREPARING_S = 0.005  # per frame of the data set, scaled to the canvas once


class Setup(BaseModel):
    """Facts of the data, ``warnings`` where they are odd, and what was chosen from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: Facts
    warnings: tuple[str, ...]
    choices: Choices
    preprocess: Preprocess


def set_up(
    config: TrainConfig,
    dataset: Dataset,
    division: Split,
    fitted: Dataset,
    reserve_s: float,
    teacher: Teacher | None = None,
    new_classes: bool = False,
) -> Setup:
    """Look at the frames to fit and choose what ``config`` leaves open.

    ``reserve_s``: seconds of the budget that are spent already, or kept for the end. ``teacher``: whom the network
    learns from. ``new_classes``: whether the model that is begun with does not know them all. Raises `InputError` where
    there is nothing to learn.
    """
    began = time.monotonic()
    facts = look_at(fitted, [division.groups[name] for name in division.fold(config.data.fold).tune])
    crops = bool(config.negatives.judge) or config.negatives.share > 0
    warnings = oddities(dataset, division, config.data.fold, fitted, facts, crops, can_be_judged(config))
    reserve_s += time.monotonic() - began + PREPARING_S * len(dataset)
    choices = choose(config, facts, len(dataset.classes), _time_for_steps(config, reserve_s), teacher, new_classes)
    divisor = build(config.model, choices.network, len(dataset.classes)).divisor
    refiner = config.refine.build(len(dataset.classes), config.seed)
    if refiner is not None:
        divisor = math.lcm(divisor, refiner.divisor)
    if teacher is not None:
        divisor = math.lcm(divisor, teacher.divisor)
    height, width = canvas_shape(facts.shape(choices.region), choices.longest, divisor)
    preprocess = Preprocess(
        height=height, width=width, region=choices.region, normalisation=config.canvas.normalisation
    )
    return Setup(facts=facts, warnings=tuple(warnings), choices=choices, preprocess=preprocess)


def _time_for_steps(config: TrainConfig, reserve_s: float) -> float | None:
    """Seconds for steps and looks; None where epochs or steps were asked for."""
    if config.whole_budget_s is None:
        return None
    left = BUDGET_USED * config.whole_budget_s - reserve_s
    return config.refine.share * max(0.0, left) / LOOP
