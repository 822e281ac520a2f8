"""The plan's choices: resolution, width, batch and the rest, each with the reason in words.

What the configuration says is kept. The rest follows from the `Facts` of the data, from a few timed steps on small
batches, and from the budget. Where the numbers below come from stands in docs/results/plan.md.
"""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..data.module import Batch, as_batch
from ..losses import DiceCrossEntropy
from ..models import MODELS, Setting, build, check_settings
from ..models.output import SegmentationModel
from .config import TrainConfig
from .facts import Facts
from .machine import Accelerator, Arithmetic, find_accelerator, free_memory, half_precision, step_memory, time_step

SCAN_SHARE = 0.6  # of a frame; where the scan takes less, the rest is not worth its pixels
SIZES = (128, 160, 192, 224, 256, 320, 384, 448, 512)  # longer sides of the canvas that are tried
ACROSS = 16  # canvas pixels that a narrow nerve is across where time allows
ENOUGH_STEPS = 800  # for which the canvas, and then the network, is made smaller
USUAL_SIZE, USUAL_BATCH, SMALLEST_BATCH = 256, 16, 4
STEPS_PER_PASS = 4  # at least, so that few frames are not all in one batch
MEMORY_USED = 0.6  # of what is free; a step also needs passing space
FEW_PASSES_EACH, MILD = 10, 0.5  # below so many passes a frame is varied half as often
ENOUGH_GROUPS = 20  # in the tune part; fewer choose a round no better than chance does


class Choice(BaseModel):
    """One decision: what was chosen and why, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: str
    reason: str


class Choices(BaseModel):
    """Everything that the configuration may leave open, decided; ``reasons`` tells each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: Literal["frame", "scan"]
    longest: int
    batch: int = Field(ge=1)
    strength: float
    keep: Literal["best", "last"]
    precision: Arithmetic
    accelerator: Accelerator
    network: dict[str, Setting]
    reasons: tuple[Choice, ...]

    def pinned(self, config: TrainConfig) -> TrainConfig:
        """The configuration with nothing left open."""
        canvas = config.canvas.model_copy(update={"region": self.region, "longest": self.longest})
        told = {name: getattr(self, name) for name in ("batch", "strength", "keep", "precision", "network")}
        return config.model_copy(update={"canvas": canvas, **told})


class Probe:
    """Times a few steps on the smallest canvas, to tell what a step costs at any size; no width is timed twice.

    A step takes some time whatever is in it, for the weights, and some for every pixel; one step of a single frame and
    one of a whole batch tell both. ``spent_s``: seconds that this took so far.
    """

    def __init__(
        self, config: TrainConfig, shape: tuple[int, int], batch: int, classes: int, accelerator: Accelerator
    ) -> None:
        """``shape``: height and width of what the network sees of a frame."""
        self.config, self.shape, self.batch, self.classes = config, shape, batch, classes
        self.accelerator = accelerator
        self.loss = DiceCrossEntropy(**config.loss.model_dump())
        self.divisor = self._model(None).divisor
        self.spent_s = 0.0
        self._costs: dict[int | None, tuple[float, float]] = {}
        self.precision, self.reason = self._choose_precision()

    def step_s(self, longest: int, width: int | None) -> float:
        """Seconds that a step takes on a canvas of that size; ``width`` None: the preset's."""
        if width not in self._costs:
            one = self._time(self.precision, width, 1)
            each = (self._time(self.precision, width, self.batch) - one) / (self.batch - 1) if self.batch > 1 else one
            self._costs[width] = max(0.0, one - each), max(0.0, each)
        fixed, each = self._costs[width]
        return fixed + each * self.batch * self._pixels(longest) / self._pixels(SIZES[0])

    def steps_in(self, seconds: float, longest: int, width: int | None) -> float:
        """How many steps fit into the time, of which this has spent some."""
        step_s = self.step_s(longest, width)
        return max(0.0, seconds - self.spent_s) / step_s

    def memory(self, longest: int, width: int | None) -> tuple[int, int]:
        """Bytes that a frame of a step takes on a canvas of that size, and those of the weights."""
        each, weights = step_memory(self._model(width), self.loss, self._frames(1))
        return round(each * self._pixels(longest) / self._pixels(SIZES[0])), weights

    def _pixels(self, longest: int) -> int:
        height, width = canvas_shape(self.shape, longest, self.divisor)
        return height * width

    def _choose_precision(self) -> tuple[Arithmetic, str]:
        asked, half = self.config.precision, half_precision(self.accelerator)
        if asked != "auto":
            return asked, "as asked"
        if half is None:
            return "32", f"the only one on {self.accelerator}"
        full_s, half_s = (self._time(precision, None, self.batch) for precision in ("32", half))
        told = f"a step takes {half_s / full_s:.2f} of the time of 32 bit"
        return (half, told) if half_s < full_s else ("32", f"{half}: {told}")

    def _time(self, precision: str, width: int | None, count: int) -> float:
        began = time.monotonic()
        model, frames = self._model(width), self._frames(count)
        step_s = time_step(model, self.loss, frames, precision, self.accelerator, warm=1, timed=2)
        self.spent_s += time.monotonic() - began
        return step_s

    def _model(self, width: int | None) -> SegmentationModel:
        return build(self.config.model, with_width(self.config.network, width), self.classes)

    def _frames(self, count: int) -> Batch:
        """Noise with some of every class in it, on the smallest canvas."""
        shape, rng = canvas_shape(self.shape, SIZES[0], self.divisor), np.random.default_rng(0)
        labels = rng.integers(0, self.classes + 1, (count, *shape), dtype=np.uint8)
        return as_batch(rng.normal(size=(count, *shape)).astype(np.float32), labels)


def choose(config: TrainConfig, facts: Facts, tune_groups: int, classes: int, seconds: float | None) -> Choices:
    """Decide what ``config`` leaves open.

    ``tune_groups``: how many subjects, or whatever the split keeps together, are in the tune part. ``seconds``: what is
    left for steps, None where time is no matter.
    """
    accelerator, reasons = find_accelerator(), []
    region, told = _region(config, facts)
    reasons.append(Choice(name="region", value=region, reason=told))
    batch, batch_told = _batch(config, facts)
    probe = Probe(config, facts.shape(region), batch, classes, accelerator)
    reasons.append(Choice(name="precision", value=f"{probe.precision} on {accelerator}", reason=probe.reason))
    longest, width, chosen = _size_and_width(config, facts, facts.shape(region), probe, seconds)
    reasons += chosen
    if config.batch is None:
        batch, batch_told = _in_memory(batch, batch_told, probe.memory(longest, width), free_memory(accelerator))
    reasons.append(Choice(name="batch", value=str(batch), reason=batch_told))
    passes = None if seconds is None else batch * probe.steps_in(seconds, longest, width) / facts.frames
    strength, told = _strength(config, passes)
    reasons.append(Choice(name="variation", value=f"{strength:g}", reason=told))
    keep, told = _keep(config, tune_groups)
    reasons.append(Choice(name="keep", value=keep, reason=told))
    return Choices(
        region=region,
        longest=longest,
        batch=batch,
        strength=strength,
        keep=keep,
        precision=probe.precision,
        accelerator=accelerator,
        network=with_width(config.network, width),
        reasons=tuple(reasons),
    )


def canvas_shape(seen: tuple[int, int], longest: int, divisor: int) -> tuple[int, int]:
    """Height and width of the canvas: the shape of what is seen, the sides multiples of the network's ``divisor``."""
    scale = longest / max(seen)
    height, width = (max(divisor, divisor * round(side * scale / divisor)) for side in seen)
    return height, width


def with_width(network: dict[str, Setting], width: int | None) -> dict[str, Setting]:
    """Changes to a network's preset, and this width where one was chosen."""
    return network if width is None else network | {"width": width}


def _region(config: TrainConfig, facts: Facts) -> tuple[Literal["frame", "scan"], str]:
    told = f"the scan takes {facts.scan_share:.0%} of the frame in the median"
    if config.canvas.region is not None:
        return config.canvas.region, "as asked"
    return ("scan", told) if facts.scan_share < SCAN_SHARE else ("frame", told)


def _size_and_width(
    config: TrainConfig, facts: Facts, seen: tuple[int, int], probe: Probe, seconds: float | None
) -> tuple[int, int | None, list[Choice]]:
    """The largest canvas that is worth it, and the widest network, for which the time suffices."""
    sizes, widths = _sizes(config, facts, seen), _widths(config)
    size, width, why = sizes[0], widths[0], "time is no matter, for so many steps were asked for"
    if seconds is not None:
        tried = [(size, widths[0]) for size in sizes] + [(sizes[-1], width) for width in widths[1:]]
        for size, width in tried:
            steps = probe.steps_in(seconds, size, width)
            if steps >= ENOUGH_STEPS:
                break
        why = f"about {steps:.0f} steps fit into the time; {ENOUGH_STEPS} are enough"
    across = "" if facts.nerve_px is None else f"narrow nerves are {facts.nerve_px * size / max(seen):.0f} px across; "
    told = "as asked" if config.canvas.longest is not None else across + why
    chosen = [Choice(name="size", value=str(size), reason=told)]
    if width is not None:
        chosen.append(Choice(name="width", value=str(width), reason=why))
    return size, width, chosen


def _sizes(config: TrainConfig, facts: Facts, seen: tuple[int, int]) -> list[int]:
    """Sizes of the canvas to try, the largest first: up to what narrow nerves need and the frames have."""
    if config.canvas.longest is not None:
        return [config.canvas.longest]
    needed = USUAL_SIZE if facts.nerve_px is None else max(USUAL_SIZE, ACROSS * max(seen) / facts.nerve_px)
    largest = next((size for size in SIZES if size >= needed), SIZES[-1])
    return [size for size in reversed(SIZES) if size <= largest and (size <= max(seen) or size == SIZES[0])]


def _widths(config: TrainConfig) -> list[int | None]:
    """Widths of the network to try, the preset's first; None where there is nothing to choose."""
    narrower = MODELS[config.model].narrower
    if "width" in config.network or not narrower:
        return [None]
    preset = int(check_settings(config.model, config.network).model_dump()["width"])
    return [preset, *(width for width in narrower if width < preset)]


def _batch(config: TrainConfig, facts: Facts) -> tuple[int, str]:
    if config.batch is not None:
        return config.batch, "as asked"
    batch, told = USUAL_BATCH, "the usual one"
    while batch > SMALLEST_BATCH and facts.frames < STEPS_PER_PASS * batch:
        batch, told = batch // 2, f"so that a pass over {facts.frames} frames has several steps"
    return batch, told


def _in_memory(batch: int, told: str, memory: tuple[int, int], free: int | None) -> tuple[int, str]:
    """The batch, smaller where not as much memory is free."""
    each, weights = memory
    while batch > 1 and free is not None and batch * each + weights > MEMORY_USED * free:
        batch, told = batch // 2, f"{free / 1e9:.1f} GB are free, and a frame takes {each / 1e9:.2f} GB"
    return batch, told


def _keep(config: TrainConfig, tune_groups: int) -> tuple[Literal["best", "last"], str]:
    if config.keep is not None:
        return config.keep, "as asked"
    if config.patience is not None:
        return "best", "early stopping trusts the tune part"
    told = f"the tune part has {tune_groups} groups of frames"
    if tune_groups < ENOUGH_GROUPS:
        return "last", f"{told}, too few to choose a round by"
    return "best", told


def _strength(config: TrainConfig, passes: float | None) -> tuple[float, str]:
    if config.strength is not None:
        return config.strength, "as asked"
    if passes is None or passes >= FEW_PASSES_EACH:
        return 1.0, "each frame is seen often" if passes is not None else "the usual one"
    return MILD, f"each frame is seen {passes:.0f} times, varied or not"
