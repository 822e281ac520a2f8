"""Distillation: a network learns from the labels, and from what other models answer for the same frames."""

from __future__ import annotations

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
from ..models.output import SegmentationModel
from ..runtime.bundle import Bundle
from .config import OptimiserConfig, TrainConfig
from .machine import Accelerator, autocast, wait_for
from .restore import read_recorded, restore
from .task import Supervised

TIMED = 3  # answers; the median is what one takes


@dataclass
class Teacher:
    """Several networks that answer together: the mean of their calibrated probabilities.

    Not a module: its weights are no part of what a training saves.
    """

    networks: list[SegmentationModel]
    temperatures: list[float]

    @torch.no_grad()
    def __call__(self, frames: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Probabilities of each class, the background left out, for normalised frames."""
        answers = []
        for network, temperature in zip(self.networks, self.temperatures, strict=True):
            output = network(frames)
            output.logits = output.logits.float() / temperature
            answers.append(output.probabilities())
        mean: Tensor = torch.stack(answers).mean(0)
        return mean

    def to(self, device: torch.device | str) -> None:
        """Move the networks to where the frames are."""
        for network in self.networks:
            network.to(device)

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
    seen = [(bundle, read_recorded(bundle).plan.preprocess) for bundle in bundles]
    for bundle, preprocess in seen[1:]:
        if preprocess != seen[0][1]:
            raise InputError(
                f"{bundle.source}: sees frames as {_canvas(preprocess)}, and {bundles[0].source} as "
                f"{_canvas(seen[0][1])}; teach with models of one canvas"
            )
    return bundles


def with_canvas_of(config: TrainConfig, teacher: Bundle) -> TrainConfig:
    """The configuration with the teacher's canvas, where none was asked for."""
    preprocess = read_recorded(teacher).plan.preprocess
    canvas = {
        "longest": config.canvas.longest or max(preprocess.height, preprocess.width),
        "region": config.canvas.region or preprocess.region,
        "normalisation": preprocess.normalisation,
    }
    return config.model_copy(update={"canvas": config.canvas.model_copy(update=canvas)})


def build_teacher(bundles: Sequence[Bundle], dataset: Dataset, preprocess: Preprocess | None = None) -> Teacher | None:
    """The networks of the bundles; None without any.

    Raises `InputError` where they know other classes than the data, or see another canvas than ``preprocess``.
    """
    if not bundles:
        return None
    networks, temperatures = [], []
    for bundle in bundles:
        if bundle.config.classes != dataset.classes:
            raise InputError(
                f"{bundle.source}: knows {', '.join(bundle.config.classes)}; expected a teacher of "
                f"{', '.join(dataset.classes)}, the classes of {dataset.folder}"
            )
        network, canvas = restore(bundle)
        if preprocess is not None and canvas != preprocess:
            raise InputError(
                f"{bundle.source}: sees frames as {_canvas(canvas)}, and the training as {_canvas(preprocess)}; leave "
                "--size and the settings of the canvas out"
            )
        network.requires_grad_(False)
        networks.append(network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
        temperatures.append(read_recorded(bundle).temperature.mask)
    return Teacher(networks, temperatures)


def _canvas(preprocess: Preprocess) -> str:
    return (
        f"{preprocess.height} x {preprocess.width} of the {preprocess.region}, normalised by {preprocess.normalisation}"
    )
