"""How many steps fit: decided once, from a few timed steps, and kept in the run with the choices behind it."""

from __future__ import annotations

import copy
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import Field, ValidationError
from torch import nn

from ..data.module import Batch
from ..errors import InputError
from ..io.atomic import write_text
from ..models.output import SegmentationModel
from ..models.refiner import Refined, Refiner
from .adversarial import Adversary
from .choose import MOST_LOOKING, Choice, Choices
from .config import TrainConfig
from .machine import time_step
from .setup import BUDGET_USED, LOOP, Setup
from .teach import Teacher

MOST_ROUNDS = 40
LOST = 0.03  # of the steps at most, so that all rounds are of as many
LOOK = 0.35  # of a step's time that a frame takes forward only


class Plan(Setup):
    """What the data, the machine and the budget were turned into.

    Times in seconds; a round ends with a look at the tune part and a saved state.

    ``learned_from``: the identities of the models that it begins with or learns from; None in runs that were begun
    before these were kept. ``steps`` are whole rounds: up to a fortieth more than were asked for.
    """

    learned_from: tuple[str, ...] | None = None
    steps: int = Field(ge=1)
    rounds: int = Field(ge=1)
    threads: int
    workers: int
    parameters: int
    step_s: float
    look_s: float
    budget_s: float | None

    @property
    def steps_per_round(self) -> int:
        """Steps between two looks at the tune part."""
        return self.steps // self.rounds

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read what `write` wrote; raise `InputError` for anything else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(f"{path}: not a plan ({str(error).splitlines()[0]}); train into a new folder") from error


def make_plan(
    config: TrainConfig,
    setup: Setup,
    model: SegmentationModel,
    loss: nn.Module,
    batch: Batch,
    frames: tuple[int, int],
    reserve_s: float,
    adversary: Adversary | None = None,
    refiner: Refiner | None = None,
    teacher: Teacher | None = None,
    learned_from: tuple[str, ...] = (),
) -> Plan:
    """Time a few steps and turn the budget, epochs or steps into a plan.

    ``batch``: one real batch. ``frames``: how many are in fit and tune. ``reserve_s``: seconds already spent, and those
    that export and evaluation will take. ``adversary``: what is trained against. ``refiner``: what
    is trained behind the network. ``teacher``: what is learned from. ``learned_from``: as
    in the plan.
    """
    choices = setup.choices
    began = time.monotonic()
    step_s = whole_step(config, (model, refiner), loss, batch, choices, adversary)
    look_s = LOOK * (2 if model.agrees else 1) * step_s * frames[1] / choices.batch + 0.2
    if teacher is not None:
        step_s += teacher.answer_s(batch, choices.precision, choices.accelerator)
    budget = config.whole_budget_s
    if config.steps is not None:
        steps, why = config.steps, "as asked"
    elif config.epochs is not None:
        steps = max(1, round(config.epochs * frames[0] / (choices.batch * config.devices)))
        why = f"{config.epochs} passes over {frames[0]} frames"
    elif budget is not None:
        left = max(0.0, BUDGET_USED * budget - (time.monotonic() - began) - reserve_s)
        rounds = config.rounds or max(1, min(MOST_ROUNDS, int(MOST_LOOKING * left / look_s)))
        steps = max(1, int((left - rounds * look_s) / (LOOP * step_s)))
        rounds = next(r for r in range(min(rounds, steps), 0, -1) if steps % r <= LOST * steps)
        steps -= steps % rounds
        why = f"{left:.0f} s of the budget of {budget:.0f} s are left for steps of {step_s:.2f} s"
    if budget is None:
        steps, rounds = whole_rounds(steps, config.rounds or MOST_ROUNDS)
    told = Choice(name="steps", value=str(steps), reason=why)
    return Plan(
        facts=setup.facts,
        warnings=setup.warnings,
        learned_from=learned_from,
        choices=choices.model_copy(update={"reasons": (*choices.reasons, told)}),
        preprocess=setup.preprocess,
        steps=steps,
        rounds=rounds,
        threads=torch.get_num_threads(),
        workers=_workers(config, choices.accelerator),
        parameters=sum(p.numel() for part in (model, refiner) if part is not None for p in part.parameters()),
        step_s=step_s,
        look_s=look_s,
        budget_s=budget,
    )


def whole_rounds(steps: int, most: int) -> tuple[int, int]:
    """At least so many steps, in at most so many rounds of as many each: how many steps, and how many rounds."""
    each = math.ceil(steps / most)
    rounds = math.ceil(steps / each)
    return rounds * each, rounds


def whole_step(
    config: TrainConfig,
    networks: tuple[SegmentationModel, Refiner | None],
    loss: nn.Module,
    batch: Batch,
    choices: Choices,
    adversary: Adversary | None,
) -> float:
    """Seconds of a step; with a refiner, of a step of the network and of its part of all other stages."""
    (network, refiner), refine = networks, config.refine
    if refiner is None:
        return mean_step(network, loss, batch, choices, adversary)
    refined = Refined(copy.deepcopy(network), refiner)
    with torch.no_grad():
        coarse = refined.coarse(batch.frames).probabilities()
    refiner_s = mean_step(refined, config.loss.build(), replace(batch, coarse=coarse), choices, adversary)
    network_s = mean_step(network, loss, batch, choices, None)
    return network_s * (1 + refine.folds * refine.inner) + refiner_s * refine.length


def mean_step(
    model: SegmentationModel, loss: nn.Module, batch: Batch, choices: Choices, adversary: Adversary | None
) -> float:
    """Seconds of a step, averaged over a training in some of which the network is frozen or has no adversary yet."""

    def timed(done: float = 1.0, rival: Adversary | None = None) -> float:
        return time_step(model, loss, batch, choices.precision, choices.accelerator, done=done, adversary=rival)

    plain_s = step_s = timed()
    if model.frozen_share > 0:
        step_s += model.frozen_share * (timed(done=0.0) - plain_s)
    if adversary is not None:
        step_s += (1 - adversary.config.warm_up) * (timed(rival=adversary) - plain_s)
    return step_s


def _workers(config: TrainConfig, accelerator: str) -> int:
    """None beside a CPU's training, whose threads would wait for each other while a worker runs; several feed a GPU."""
    if config.workers is not None:
        return config.workers
    return 0 if accelerator == "cpu" else max(1, min(8, (os.cpu_count() or 2) // config.devices - 1))
