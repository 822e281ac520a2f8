"""Distillation: a network learns from the labels, and from what other models answer for the same frames."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.dataset import Dataset
from ..data.module import Batch
from ..data.preprocess import Preprocess
from ..errors import InputError
from ..losses import MultiTask, SoftLabels
from ..models.output import SegmentationModel, probabilities
from ..runtime.bundle import Bundle
from .config import OptimiserConfig, TrainConfig
from .machine import Accelerator, autocast, wait_for
from .restore import read_recorded, restore
from .task import Supervised

TIMED = 3  # answers; the median is what one takes


Sight = tuple[int, str, str]
"""The longer side of the canvas, what of a frame is on it, and how it is normalised."""


@dataclass
class Master:
    """One network that teaches: its mask's temperature, and what its frames are ``scale`` and ``shift`` of ours."""

    network: SegmentationModel
    temperature: float = 1.0
    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, frames: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Its calibrated probabilities."""
        output = self.network(frames if (self.scale, self.shift) == (1, 0) else frames * self.scale + self.shift)
        return probabilities(output.logits.float() / self.temperature)


@dataclass
class Teacher:
    """Several networks that answer together: the mean of their calibrated probabilities.

    Not a module: its weights are no part of what a training saves. ``divisor``: H and W must be multiples of it.
    """

    masters: list[Master]

    @property
    def divisor(self) -> int:
        """The least that suits all of them."""
        return math.lcm(*(master.network.divisor for master in self.masters))

    @torch.no_grad()
    def __call__(self, frames: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Probabilities of each class, the background left out, for normalised frames."""
        mean: Tensor = torch.stack([master(frames) for master in self.masters]).mean(0)
        return mean

    def to(self, device: torch.device | str) -> None:
        """Move the networks to where the frames are."""
        for master in self.masters:
            master.network.to(device)

    def answer_s(self, batch: Batch, precision: str, accelerator: Accelerator) -> float:
        """Seconds that an answer for a batch takes there."""
        self.to(accelerator)
        frames = batch.frames.to(accelerator)
        seconds = []
        for _ in range(TIMED):
            began = time.perf_counter()
            with autocast(precision, accelerator):
                self(frames)
            wait_for(accelerator)
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds)


class Taught(Supervised):
    """Supervised training whose loss is, to the share ``share``, the distance from a teacher's answer.

    The teacher sees each frame as it was varied, so it has something new to say of it in every pass (Beyer et al.,
    2022, arXiv:2106.05237: consistent and patient).
    """

    columns = ("teacher_loss",)

    def __init__(
        self,
        model: SegmentationModel,
        loss: MultiTask,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        classes: tuple[str, ...],
        teacher: Teacher,
        share: float,
    ) -> None:
        super().__init__(model, loss, optimiser, steps, seed, classes)
        self.teacher, self.share, self.distance = teacher, share, SoftLabels()

    def on_fit_start(self) -> None:
        """Put the teacher beside the network."""
        self.teacher.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch; raise `TrainingError` where that of the labels is not a number."""
        output, loss = self.supervised(batch)
        apart: Tensor = self.distance(output.logits, self.teacher(batch.frames))
        self.log("teacher_loss", apart, on_step=True, prog_bar=False)
        return (1 - self.share) * loss + self.share * apart


def open_teachers(config: TrainConfig) -> tuple[Bundle, ...]:
    """The models that a training learns from; raise `InputError` where they do not see frames alike."""
    bundles = tuple(Bundle.open(address) for address in config.teach.models)
    for bundle in bundles[1:]:
        if _sight(bundle) != _sight(bundles[0]):
            raise InputError(
                f"{bundle.source}: sees {_told(_sight(bundle))}, and {bundles[0].source} {_told(_sight(bundles[0]))}; "
                "teach with models that see frames alike"
            )
    return bundles


def with_canvas_of(config: TrainConfig, teacher: Bundle) -> TrainConfig:
    """The configuration with the teacher's canvas, where none was asked for; `InputError` where another one was."""
    longest, region, normalisation = sight = _sight(teacher)
    canvas = config.canvas
    asked = (canvas.longest or longest, canvas.region or region, canvas.normalisation)
    if asked != sight:
        raise InputError(
            f"--teacher {teacher.source}: sees {_told(sight)}, and the training {_told(asked)}; leave --size out, and "
            f"--set canvas.region={region} --set canvas.normalisation={normalisation}"
        )
    update = {"longest": longest, "region": region}
    return config.model_copy(update={"canvas": canvas.model_copy(update=update)})


def build_teacher(bundles: Sequence[Bundle], dataset: Dataset, preprocess: Preprocess | None = None) -> Teacher | None:
    """The networks of the bundles; None without any. Raises `InputError` where they know other classes than the data.

    ``preprocess``: that of the frames that they will be shown; where left out, frames need no other normalisation.
    """
    if not bundles:
        return None
    masters = []
    for bundle in bundles:
        if bundle.config.classes != dataset.classes:
            raise InputError(
                f"{bundle.source}: knows {', '.join(bundle.config.classes)}; expected a teacher of "
                f"{', '.join(dataset.classes)}, the classes of {dataset.folder}"
            )
        network, own = restore(bundle)
        network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        given = own if preprocess is None else preprocess
        fixed = own.normalisation == "fixed"  # else each frame is normalised by itself
        masters.append(
            Master(
                network,
                temperature=read_recorded(bundle).temperature.mask,
                scale=given.std / own.std if fixed else 1.0,
                shift=(given.mean - own.mean) / own.std if fixed else 0.0,
            )
        )
    return Teacher(masters)


def _sight(bundle: Bundle) -> Sight:
    preprocess = read_recorded(bundle).plan.preprocess
    return max(preprocess.height, preprocess.width), preprocess.region, preprocess.normalisation


def _told(sight: Sight) -> str:
    longest, region, normalisation = sight
    return f"{longest} pixels of the {region}, normalised by {normalisation}"
