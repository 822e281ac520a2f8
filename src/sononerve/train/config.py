"""What a training is asked to do: everything needed to repeat it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, field_validator, model_validator

from ..data.augment import Augment
from ..data.negatives import NegativesConfig
from ..errors import InputError
from ..io.atomic import write_text
from ..losses import AdversarialKind, DiceCrossEntropy, MultiTask
from ..models import MIRRORED, Setting
from ..models.output import Head
from ..models.refiner import Refiner
from ..settings import first_fault, merge, merge_settings
from .presets import PresetName

Precision = Literal["auto", "32", "bf16", "16"]

LENGTHS = ("budget_s", "epochs", "steps")
LONG = (*LENGTHS, "rounds")
DEFAULT_BUDGET_S = 1800.0
OPTIONS = {"budget_s": "--budget", "patience": "--early-stopping"}
MOST_FOLDS = 20  # of a refiner
ADVERSARY_WEIGHT = 0.1  # what --adversary stands for
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Part):
    """Which frames: the arguments of `sononerve.load_dataset`, and which fold of which split.

    ``spacing_mm``: (row, column) where the data do not tell it. ``cache``: keep the prepared frames on disk, where
    other trainings find them, instead of in memory.
    """

    folder: Path
    layout: str | None = None
    classes: tuple[str, ...] | None = None
    subject_pattern: str | None = None
    spacing_mm: tuple[PositiveFloat, PositiveFloat] | None = None
    fold: int = Field(default=0, ge=0)
    drop: Literal["nothing", "contradictions"] = "nothing"
    cache: bool = True


class CanvasConfig(_Part):
    """What the network sees of a frame, and how large: ``longest`` is the canvas's longer side in pixels.

    ``region``: the whole frame, or the scan area in it. The plan chooses what is None. ``close_up``: where it is 1 or
    more, every frame to fit that holds a nerve is shown a second time, as the surroundings of the nerve, so many times
    its box: for a second look at run time.
    """

    longest: int | None = Field(default=None, ge=32, le=2048)
    region: Literal["frame", "scan"] | None = None
    close_up: float = Field(default=0.0, ge=0, le=10)
    normalisation: Literal["frame", "fixed"] = "frame"


class CropsConfig(NegativesConfig):
    """Frames without a nerve, made of those with one: crops beside the nerve, and as many around it.

    ``share``: how much of what is shown in training are such crops, in place of whole frames; 0: none. ``judge``:
    whether a `sononerve.models.judge.Judge` of presence is fitted to whole frames and crops when the training is over,
    which leaves the network as it is; in frames that it holds for empty no nerve is marked; None: where the model that
    is begun with has one. ``looks``: how often it looks at a frame or crop to be fitted, in all and at most; the plan
    chooses. The rest says how crops are drawn, `sononerve.data.negatives.NegativesConfig`.
    """

    share: float = Field(default=0.0, ge=0, lt=1)
    judge: bool | None = None
    looks: int | None = Field(default=None, ge=40)


class OptimiserConfig(_Part):
    """AdamW with a linear warm-up over the share ``warmup`` of the steps, then a cosine down to nothing.

    ``clip``: largest norm of the gradient. ``ema``: decay per step of the averaged weights, which are the result.
    """

    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    clip: float = Field(default=5.0, gt=0)
    ema: float = Field(default=0.99, ge=0, lt=1)


class LossConfig(_Part):
    """Weights of `sononerve.losses.DiceCrossEntropy`, and of the branches in `sononerve.losses.MultiTask`.

    A branch is left out by the network's settings, as ``network.box=false``: with a weight of 0 it would still answer.
    """

    dice: float = Field(default=1.0, ge=0)
    cross_entropy: float = Field(default=1.0, ge=0)
    deeper: float = Field(default=0.5, ge=0, le=1)
    batch: bool = True
    presence: float = Field(default=0.5, gt=0)
    box: float = Field(default=0.2, gt=0)
    weighting: Literal["fixed", "uncertainty"] = "fixed"

    def build(self, heads: tuple[Head, ...] = ()) -> MultiTask:
        """The loss of a network with these heads."""
        mask = DiceCrossEntropy(self.dice, self.cross_entropy, self.deeper, self.batch)
        return MultiTask(mask, heads, self.presence, self.box, self.weighting)


class AdversaryConfig(_Part):
    """Training against a discriminator, `sononerve.train.adversarial.Adversarial`; a ``weight`` of 0 is without one.

    The generator's loss gains ``weight`` times its adversarial loss and ``matching`` times the distance in the
    discriminator's features. ``warm_up``, ``head_start`` and ``ramp`` are shares of the training: without adversary;
    with one that learns and is not listened to; with its weight rising. ``width``, ``layers``, ``learning_rate``: the
    discriminator's.
    """

    weight: float = Field(default=0.0, ge=0)
    loss: AdversarialKind = "hinge"
    matching: float = Field(default=1.0, ge=0)
    warm_up: float = Field(default=0.3, ge=0, lt=1)
    head_start: float = Field(default=0.05, ge=0, lt=1)
    ramp: float = Field(default=0.1, ge=0, lt=1)
    width: int = Field(default=32, ge=1, le=256)
    layers: int = Field(default=3, ge=1, le=5)
    learning_rate: float = Field(default=1e-3, gt=0)

    @model_validator(mode="after")
    def _is_heard(self) -> AdversaryConfig:
        if self.weight > 0 and self.warm_up + self.head_start >= 1:
            raise ValueError("warm_up and head_start: the adversary is never heard; expected less than 1 together")
        return self

    def strength(self, done: float) -> float:
        """How much of its weight the adversary has when ``done`` of the training, 0..1, is over."""
        since = done - self.warm_up - self.head_start
        if since <= 0:
            return 0.0
        return 1.0 if since >= self.ramp else since / self.ramp


class RefineConfig(_Part):
    """A refiner behind the network, `sononerve.models.refiner.Refined`; without ``folds`` there is none.

    ``folds``: 0, or 2 to 20 inner folds of the frames to fit; for each a network is trained without it, whose answers
    for it the refiner learns from. ``inner``: how many steps each of these networks takes, ``length``: how many the
    refiner takes, both as a factor on those of the network itself. ``width``, ``depth``: the refiner's.
    """

    folds: int = 0
    inner: float = Field(default=0.5, gt=0, le=2)
    length: float = Field(default=0.5, gt=0, le=2)
    width: int = Field(default=16, ge=1, le=512)
    depth: int = Field(default=3, ge=2, le=6)

    @field_validator("folds")
    @classmethod
    def _none_or_some(cls, folds: int) -> int:
        if folds and not 2 <= folds <= MOST_FOLDS:
            raise ValueError(f"expected 0, or 2 to {MOST_FOLDS}")
        return folds

    @property
    def share(self) -> float:
        """How much of the steps of all stages is the network's own, 0..1."""
        return 1 / (1 + self.folds * self.inner + self.length) if self.folds else 1.0

    def build(self, classes: int, seed: int) -> Refiner | None:
        """The refiner, its weights drawn by the seed; None where there is to be none."""
        if not self.folds:
            return None
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Refiner(classes, self.width, self.depth)


class TeachConfig(_Part):
    """Models to learn from beside the labels, `sononerve.train.teach.Taught`; without ``models`` there are none.

    ``models``: runs, bundles or their addresses; where there are several, the mean of their answers. ``share``: how
    much of the loss is the distance from that answer, over 0 and under 1; the rest is that from the labels, which alone
    teach presence and box.
    """

    models: tuple[str, ...] = ()
    share: float = Field(default=0.5, gt=0, lt=1)


class TrainConfig(_Part):
    """A whole training.

    ``start``: the model that it begins with, a run's folder, a bundle or its address; network and canvas are then
    that one's, and so is whether there is a judge. ``start_share``: how much of its weights stays in the result, by
    `sononerve.train.start.draw_back`. ``preset``: how fast the result must answer, which bounds what the plan may
    choose. One of ``budget_s`` (seconds of the whole command), ``epochs`` (passes over the fit part) and ``steps`` says
    how long; a budget where none is given.
    ``rounds``: how many looks at the tune part, at most. ``keep``: the weights of the round with the best tune score,
    or the last ones. ``patience``: stop after so many rounds without a better tune score. ``workers``: processes that
    vary frames, beside the training's own. ``network``: changes to the model's usual settings. ``strength``: how often
    frames are varied, a factor on the probabilities in ``augment``. The plan chooses ``start_share``, ``strength``,
    ``batch``, ``rounds``, ``keep`` and ``negatives.looks`` where they are None, and the network's width where
    ``network`` does not say it.
    """

    data: DataConfig
    start: str | None = None
    start_share: float | None = Field(default=None, ge=0, lt=1)
    preset: PresetName = "realtime"
    model: str = "unet"
    network: dict[str, Setting] = {}
    canvas: CanvasConfig = CanvasConfig()
    negatives: CropsConfig = CropsConfig()
    augment: Augment = Augment()
    strength: float | None = Field(default=None, ge=0, le=2)
    loss: LossConfig = LossConfig()
    adversary: AdversaryConfig = AdversaryConfig()
    refine: RefineConfig = RefineConfig()
    teach: TeachConfig = TeachConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    batch: int | None = Field(default=None, ge=1)
    budget_s: float | None = Field(default=None, ge=5)
    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    rounds: int | None = Field(default=None, ge=1)
    keep: Literal["best", "last"] | None = None
    patience: int | None = Field(default=None, ge=1)
    precision: Precision = "auto"
    devices: int = Field(default=1, ge=1)
    workers: int | None = Field(default=None, ge=0)
    seed: int = Field(default=0, ge=0)
    deterministic: bool = False
    tensorboard: bool = False

    @model_validator(mode="after")
    def _stages_see_frames_alike_and_anew(self) -> TrainConfig:
        if self.refine.folds and self.canvas.close_up:
            raise ValueError("refine.folds and canvas.close_up: no refiner learns from close-ups; give one of them")
        if self.refine.folds and self.negatives.share:
            raise ValueError("refine.folds and negatives.share: no refiner learns from crops; give one of them")
        if self.negatives.judge and (self.refine.folds or self.network.get(MIRRORED)):
            raise ValueError("negatives.judge: goes with neither refine.folds nor network.mirrored; give one of them")
        if self.refine.folds and self.network.get(MIRRORED):
            raise ValueError("refine.folds and network.mirrored: a refiner looks once; give one of them")
        if self.refine.folds and self.start is not None:
            raise ValueError("refine.folds and start: a refiner learns from networks that begin anew; give one of them")
        if self.start_share and self.start is None:
            raise ValueError("start_share: there is no model to begin with; give --from too, or leave it out")
        if self.teach.models and (self.refine.folds or self.adversary.weight or self.canvas.close_up):
            raise ValueError(
                "teach.models: a teacher goes with none of refine.folds, adversary.weight and canvas.close_up; give one"
            )
        return self

    @property
    def whole_budget_s(self) -> float | None:
        """Seconds that the whole training may take; None where epochs or steps say how long it is."""
        if self.steps is not None or self.epochs is not None:
            return None
        return self.budget_s or DEFAULT_BUDGET_S

    def write(self, path: Path) -> None:
        """Write as YAML, whole or not at all."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """Read a run's ``config.yaml``; raise `InputError` naming a field that is wrong."""
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"{path}: cannot be read ({error}); expected a run's configuration") from error
        except ValidationError as error:
            raise InputError(f"{path}: {first_fault(error, OPTIONS)}") from error


def changed(base: TrainConfig | None, told: Mapping[str, object], settings: Mapping[str, object]) -> TrainConfig:
    """``base`` (or the defaults) with what was ``told``, nested by field; None means not told.

    ``settings``: further changes by dotted field, as ``{"network.width": 16}``; there None counts. Who says how long,
    by budget, epochs or steps, replaces what ``base`` says of it. Raises `InputError` naming a field.
    """
    values: dict[str, object] = {} if base is None else base.model_dump(mode="json")
    for source in (told, settings):
        lengths = [name for name in LENGTHS if source.get(name) is not None]
        if len(lengths) > 1:
            raise InputError(f"training settings: {' and '.join(lengths)} both say how long; expected one of them")
    if any(told.get(name) is not None for name in LENGTHS):
        _forget_length(values)
    if base is not None and told.get("model") not in (None, base.model):
        values["network"] = {}  # what it says is about another network
    if base is not None and told.get("start") not in (None, base.start):
        values["start_share"] = None  # nor is this about another start
        if base.start is not None:  # whose judge it may be
            merge_settings(values, {"negatives.judge": None})
    merge(values, told)
    if set(LENGTHS) & set(settings):
        _forget_length(values)
    merge_settings(values, settings)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(f"training settings: {first_fault(error, OPTIONS)}") from error


def _forget_length(values: dict[str, object]) -> None:
    """Leave open what is planned anew with another length."""
    values |= dict.fromkeys(LONG)
    merge_settings(values, {"negatives.looks": None})


def parse_duration(text: str) -> float:
    """Seconds of ``90s``, ``30m``, ``1.5h`` or a bare number of seconds.

    >>> parse_duration("30m")
    1800.0
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None:
        raise InputError(f"--budget {text}: expected a time such as 90s, 30m or 1.5h")
    return float(found.group(1)) * UNITS[found.group(2) or "s"]
