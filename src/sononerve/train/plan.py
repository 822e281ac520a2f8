"""How many steps fit: decided once, from a few timed steps, and kept in the run."""

from __future__ import annotations

import copy
import math
import os
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from ..data.dataset import Dataset
from ..data.module import Batch
from ..data.preprocess import Preprocess
from ..data.screen import scan_area
from ..errors import InputError
from ..io.atomic import write_text
from ..models.output import SegmentationModel
from .config import CanvasConfig, TrainConfig

BUDGET_USED = 0.9  # of the budget; the rest is for a machine that slows down
LOOP = 1.08  # feeding, logging and saving beside the steps: 1.04 and 1.09 in two trainings of 38 steps a round
MOST_ROUNDS = 40
WARM_STEPS, TIMED_STEPS = 2, 5
DEFAULT_BUDGET_S = 1800.0
LOOKED_AT = 200  # frames whose scan areas are measured


class Plan(BaseModel):
    """What the budget was turned into.

    Times in seconds; a round ends with a look at the tune part and a saved state.

    ``steps`` are whole rounds: up to a fortieth more than were asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preprocess: Preprocess
    steps: int = Field(ge=1)
    rounds: int = Field(ge=1)
    batch: int = Field(ge=1)
    precision: Literal["32", "bf16", "16"]
    accelerator: Literal["cpu", "cuda", "mps"]
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


def plan_canvas(dataset: Dataset, canvas: CanvasConfig, divisor: int) -> Preprocess:
    """A canvas with the data's median shape, its sides multiples of the network's ``divisor``, and its statistics."""
    height, width = np.median(_shapes(dataset, canvas.region), axis=0)
    scale = canvas.longest / max(height, width)
    rows, columns = (max(divisor, divisor * round(side * scale / divisor)) for side in (height, width))
    return Preprocess(height=int(rows), width=int(columns), region=canvas.region, normalisation=canvas.normalisation)


def _shapes(dataset: Dataset, region: Literal["frame", "scan"]) -> NDArray[np.int64]:
    """Height and width of what is seen of each frame, or of some of many, ``(n, 2)``."""
    if region == "frame":
        return dataset.sizes
    some = np.unique(np.linspace(0, len(dataset) - 1, LOOKED_AT).astype(int))
    return np.array([scan_area(dataset[int(i)].frame.pixels).shape for i in some])


def make_plan(
    config: TrainConfig,
    preprocess: Preprocess,
    model: SegmentationModel,
    loss: nn.Module,
    batch: Batch,
    frames: tuple[int, int],
    reserve_s: float,
) -> Plan:
    """Time a few steps and turn the budget, epochs or steps into a plan.

    ``batch``: one real batch. ``frames``: how many are in fit and tune. ``reserve_s``: seconds already spent, and those
    that export and evaluation will take.
    """
    began = time.monotonic()
    accelerator = _accelerator()
    precision, step_s = _choose_precision(config, model, loss, batch, accelerator)
    look_s = 0.35 * step_s * frames[1] / config.batch + 0.2  # forward only is about a third of a step
    budget = config.budget_s
    if config.steps is not None:
        steps, budget = config.steps, None
    elif config.epochs is not None:
        steps, budget = max(1, round(config.epochs * frames[0] / (config.batch * config.devices))), None
    else:
        budget = budget or DEFAULT_BUDGET_S
        left = BUDGET_USED * budget - (time.monotonic() - began) - reserve_s
        rounds = max(1, min(MOST_ROUNDS, int(left / (look_s + LOOP * step_s))))
        steps = max(1, int((left - rounds * look_s) / (LOOP * step_s)))
    per_round = math.ceil(steps / MOST_ROUNDS)
    rounds = math.ceil(steps / per_round) if budget is None else max(1, steps // per_round)
    return Plan(
        preprocess=preprocess,
        steps=rounds * per_round,
        rounds=rounds,
        batch=config.batch,
        precision=precision,
        accelerator=accelerator,
        threads=torch.get_num_threads(),
        workers=_workers(config, accelerator),
        parameters=sum(p.numel() for p in model.parameters()),
        step_s=step_s,
        look_s=look_s,
        budget_s=budget,
    )


def _accelerator() -> Literal["cpu", "cuda", "mps"]:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _workers(config: TrainConfig, accelerator: str) -> int:
    """None beside a CPU's training, whose threads would wait for each other while a worker runs; several feed a GPU."""
    if config.workers is not None:
        return config.workers
    return 0 if accelerator == "cpu" else max(1, min(8, (os.cpu_count() or 2) // config.devices - 1))


def _choose_precision(
    config: TrainConfig, model: SegmentationModel, loss: nn.Module, batch: Batch, accelerator: str
) -> tuple[Literal["32", "bf16", "16"], float]:
    """The asked-for precision, or the faster of 32 bit and bfloat16, with the time of a step."""
    if config.precision != "auto":
        return config.precision, time_step(model, loss, batch, config.precision, accelerator)
    half: Literal["bf16", "16"] = "16" if accelerator == "cuda" and not torch.cuda.is_bf16_supported() else "bf16"
    if accelerator == "mps":
        return "32", time_step(model, loss, batch, "32", accelerator)
    full_s = time_step(model, loss, batch, "32", accelerator, timed=1)
    half_s = time_step(model, loss, batch, half, accelerator)
    if half_s < full_s:
        return half, half_s
    return "32", time_step(model, loss, batch, "32", accelerator)


def time_step(
    model: SegmentationModel, loss: nn.Module, batch: Batch, precision: str, accelerator: str, timed: int = TIMED_STEPS
) -> float:
    """Median seconds of one training step on a copy of the model, after a warm-up."""
    device = torch.device(accelerator)
    network = copy.deepcopy(model).to(device).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    frames, labels = batch.frames.to(device), batch.labels.to(device)
    seconds = []
    for _ in range(WARM_STEPS + timed):
        started = time.perf_counter()
        optimizer.zero_grad()
        with _autocast(precision, accelerator):
            value = loss(network(frames), labels)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        if accelerator == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[WARM_STEPS:])


def _autocast(precision: str, accelerator: str) -> AbstractContextManager[object]:
    if precision == "32":
        return nullcontext()
    return torch.autocast(accelerator, torch.bfloat16 if precision == "bf16" else torch.float16)
