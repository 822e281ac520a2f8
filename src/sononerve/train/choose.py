"""The plan's choices: resolution, width, batch and the rest, each with the reason in words.

What the configuration says is kept. The rest follows from the `Facts` of the data, from a few timed steps on small
batches, and from the budget. Where the numbers below come from stands in docs/results/plan.md.
"""

from __future__ import annotations

import math
import time
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..data.module import Batch, as_batch
from ..models import MODELS, Setting, build, check_settings
from ..models.output import SegmentationModel
from .adversarial import build_adversary
from .config import TrainConfig
from .facts import Facts
from .judge import BUDGET_SHARE, LEAST_LOOKS, looks_within
from .machine import Accelerator, Arithmetic, find_accelerator, free_memory, half_precision, step_memory, time_step
from .presets import PRESETS
from .teach import Teacher

SCAN_SHARE = 0.6  # of a frame; where the scan takes less, the rest is not worth its pixels
SIZES = (128, 160, 192, 224, 256, 320, 384, 448, 512)  # longer sides of the canvas that are tried
ACROSS = 16  # canvas pixels that a narrow nerve is across where time allows
ENOUGH_STEPS = 800  # for which the canvas, and then the network, is made smaller
USUAL_SIZE, USUAL_BATCH, SMALLEST_BATCH = 256, 16, 4
STEPS_PER_PASS = 4  # at least, so that few frames are not all in one batch
HOPELESS = 2.0  # times as long with two frames: 16 bits are not tried with a whole batch
SLOWER = 1.3  # on a small canvas 16 bits may be, and still faster on one twice as large; timings vary by 15 %
FEW = 2  # frames of the smaller batch that is timed; one may be too few for a normalisation by batch
LOOKS = 14  # steps that as many frames as are in the tune part would take: 40 looks, forward only
MOST_LOOKING = 0.2  # of the time; where the tune part is large, there are fewer looks
MEMORY_USED = 0.6  # of what is free; a step also needs passing space
FEW_PASSES_EACH, MILD = 10, 0.5  # below so many passes a frame is varied half as often
START_FRAMES = 4  # that a model which is begun with counts for; half of it stays after four frames to fit
ENOUGH_GROUPS = 20  # in the tune part; 9 frames of usgra-seg chose worse for the nerve than the end did


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
    start_share: float = 0.0
    judge: bool = False
    looks: int | None = None
    precision: Arithmetic
    accelerator: Accelerator
    network: dict[str, Setting]
    reasons: tuple[Choice, ...]

    def pinned(self, config: TrainConfig) -> TrainConfig:
        """The configuration with what it leaves open filled in; what it says stays, whatever was chosen."""

        def still_open(part: BaseModel, names: tuple[str, ...]) -> dict[str, object]:
            return {name: getattr(self, name) for name in names if getattr(part, name) in (None, "auto")}

        canvas = config.canvas.model_copy(update=still_open(config.canvas, ("region", "longest")))
        of_start = () if config.start is None else ("judge",)
        negatives = config.negatives.model_copy(update=still_open(config.negatives, ("looks", *of_start)))
        told = still_open(config, ("batch", "strength", "keep", "precision"))
        if config.start is not None:
            told |= still_open(config, ("start_share",))
        told |= {"canvas": canvas, "negatives": negatives, "network": self.network | config.network}
        return config.model_copy(update=told)


class Probe:
    """Times a few steps on a small canvas, to tell what a step costs at any size.

    A step takes some time whatever is in it, for the weights, and some for every pixel; steps of two frames and of a
    whole batch tell both. A teacher's answer is timed as it is, for its canvas is that of the training.
    ``spent_s``: seconds that this took so far.
    """

    def __init__(
        self,
        config: TrainConfig,
        shape: tuple[int, int],
        batch: int,
        classes: int,
        accelerator: Accelerator,
        teacher: Teacher | None = None,
    ) -> None:
        """``shape``: height and width of what the network sees of a frame."""
        self.config, self.shape, self.batch, self.classes = config, shape, batch, classes
        self.accelerator = accelerator
        self.side = SIZES[0] if accelerator == "cpu" else USUAL_SIZE  # small work does not show what a GPU can do
        model = self._model(None)
        self.loss, self.divisor = config.loss.build(model.heads), model.divisor
        if teacher is not None:
            self.divisor = math.lcm(self.divisor, teacher.divisor)
        self.adversary = build_adversary(config, classes)
        self.spent_s = 0.0
        self._costs: dict[int | None, tuple[float, float]] = {}
        self.precision, self.reason = self._choose_precision()
        self.teacher_s = 0.0 if teacher is None else self._time_teacher(teacher) / batch

    def step_s(self, longest: int, width: int | None) -> float:
        """Seconds that a step takes on a canvas of that size; ``width`` None: the usual one."""
        if width not in self._costs:
            whole = self._time(self.precision, width, self.batch)
            each = whole / self.batch
            if self.batch > FEW:
                measured = (whole - self._time(self.precision, width, FEW)) / (self.batch - FEW)
                each = min(each, max(measured, each / 2))  # two timings on a busy machine may say anything
            self._costs[width] = whole - each * self.batch, each
        fixed, each = self._costs[width]
        return fixed + each * self.batch * self._pixels(longest) / self._pixels(self.side) + self.teacher_s * self.batch

    def steps_in(self, seconds: float, longest: int, width: int | None, tune_frames: int) -> float:
        """How many steps fit into the time, of which this has spent some and the looks at the tune part take some."""
        steps = max(0.0, seconds - self.spent_s) / self.step_s(longest, width)
        return steps - min(LOOKS * tune_frames / self.batch, MOST_LOOKING * steps)

    def memory(self, longest: int, width: int | None) -> tuple[int, int]:
        """Bytes that a frame of a step takes on a canvas of that size, and those of the weights."""
        each, weights = step_memory(self._model(width), self.loss, self._frames(FEW))
        return round(each * self._pixels(longest) / self._pixels(self.side)), weights

    def _pixels(self, longest: int) -> int:
        height, width = canvas_shape(self.shape, longest, self.divisor)
        return height * width

    def _choose_precision(self) -> tuple[Arithmetic, str]:
        asked, half = self.config.precision, half_precision(self.accelerator)
        if asked != "auto":
            return asked, "as asked"
        if half is None:
            return "32", f"the only one on {self.accelerator}"
        for count in dict.fromkeys((FEW, self.batch)):  # a processor without it takes ten times as long
            full_s, half_s = (self._time(precision, None, count) for precision in ("32", half))
            told = f"a step takes {half_s / full_s:.2f} of the time of 32 bit"
            if half_s > HOPELESS * full_s:
                return "32", f"{half}: {told}"
        margin = 1.0
        if self.accelerator == "cpu" and (self.config.canvas.longest or 0) >= 2 * self.side:
            told, margin = f"{told} at {self.side} pixels, and less on a larger canvas", SLOWER
        return (half, told) if half_s < margin * full_s else ("32", f"{half}: {told}")

    def _time(self, precision: str, width: int | None, count: int) -> float:
        began = time.monotonic()
        model, frames = self._model(width), self._frames(count)
        step_s = time_step(
            model, self.loss, frames, precision, self.accelerator, warm=1, timed=2, adversary=self.adversary
        )
        self.spent_s += time.monotonic() - began
        return step_s

    def _time_teacher(self, teacher: Teacher) -> float:
        began = time.monotonic()
        frames = self._frames(self.batch, self.config.canvas.longest)
        answer_s = teacher.answer_s(frames, self.precision, self.accelerator)
        self.spent_s += time.monotonic() - began
        return answer_s

    def _model(self, width: int | None) -> SegmentationModel:
        return build(self.config.model, with_width(self.config.network, width), self.classes)

    def _frames(self, count: int, longest: int | None = None) -> Batch:
        """Noise with some of every class in it, on a canvas of that size or the small one."""
        shape, rng = canvas_shape(self.shape, longest or self.side, self.divisor), np.random.default_rng(0)
        labels = rng.integers(0, self.classes + 1, (count, *shape), dtype=np.uint8)
        return as_batch(rng.normal(size=(count, *shape)).astype(np.float32), labels)


def choose(
    config: TrainConfig,
    facts: Facts,
    classes: int,
    seconds: float | None,
    teacher: Teacher | None = None,
    new_classes: bool = False,
) -> Choices:
    """Decide what ``config`` leaves open.

    ``seconds``: what is left for steps and looks at the tune part; None where time is no matter. ``teacher``: whom the
    network learns from. ``new_classes``: whether there are some that the model which is begun with does not know.
    """
    accelerator, reasons = find_accelerator(), []
    region, told = _region(config, facts)
    reasons.append(Choice(name="region", value=region, reason=told))
    batch, batch_told = _batch(config, facts)
    probe = Probe(config, facts.shape(region), batch, classes, accelerator, teacher)
    reasons.append(Choice(name="precision", value=f"{probe.precision} on {accelerator}", reason=probe.reason))
    longest, width, chosen = _size_and_width(config, facts, facts.shape(region), probe, seconds)
    reasons += chosen
    if config.batch is None:
        processes = config.devices if accelerator == "cpu" else 1  # which share its memory
        each, weights = (processes * size for size in probe.memory(longest, width))
        batch, batch_told = _in_memory(batch, batch_told, (each, weights), free_memory(accelerator))
        probe.batch = batch
    reasons.append(Choice(name="batch", value=str(batch), reason=batch_told))
    strength, told = _strength(config, _passes(config, facts, probe, longest, width, seconds))
    reasons.append(Choice(name="variation", value=f"{strength:g}", reason=told))
    keep, told = _keep(config, facts.tune_groups)
    reasons.append(Choice(name="keep", value=keep, reason=told))
    start_share, told = _start_share(config, facts.frames, new_classes)
    if config.start is not None:
        reasons.append(Choice(name="start", value=f"{start_share:.0%}", reason=told))
    network = with_width(config.network, width)
    looks, told = None, ""
    if config.negatives.judge:
        looks, told = _looks(config, build(config.model, network, classes), longest, facts.shape(region))
        reasons.append(Choice(name="judge", value=str(looks), reason=told))
    return Choices(
        region=region,
        longest=longest,
        batch=batch,
        strength=strength,
        keep=keep,
        start_share=start_share,
        judge=bool(config.negatives.judge),
        looks=looks,
        precision=probe.precision,
        accelerator=accelerator,
        network=network,
        reasons=tuple(reasons),
    )


def canvas_shape(seen: tuple[int, int], longest: int, divisor: int) -> tuple[int, int]:
    """Height and width of the canvas: the shape of what is seen, the sides multiples of the network's ``divisor``."""
    scale = longest / max(seen)
    height, width = (max(divisor, divisor * round(side * scale / divisor)) for side in seen)
    return height, width


def with_width(network: dict[str, Setting], width: int | None) -> dict[str, Setting]:
    """Changes to a network's usual settings, and this width where one was chosen."""
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
            steps = probe.steps_in(seconds, size, width, facts.tune_frames)
            if steps >= ENOUGH_STEPS:
                break
        enough = "are enough" if steps >= ENOUGH_STEPS else "would be better"
        why = f"about {steps:.0f} steps fit into the time; {ENOUGH_STEPS} {enough}"
    across = "" if facts.nerve_px is None else f"narrow nerves are {facts.nerve_px * size / max(seen):.0f} px across; "
    told = "as asked" if config.canvas.longest is not None else across + why
    chosen = [Choice(name="size", value=str(size), reason=told)]
    if width is not None:
        chosen.append(Choice(name="width", value=str(width), reason=why))
    return size, width, chosen


def _sizes(config: TrainConfig, facts: Facts, seen: tuple[int, int]) -> list[int]:
    """Sizes of the canvas to try, the largest first: up to what narrow nerves need, the preset allows, frames have."""
    if config.canvas.longest is not None:
        return [config.canvas.longest]
    needed = USUAL_SIZE if facts.nerve_px is None else max(USUAL_SIZE, ACROSS * max(seen) / facts.nerve_px)
    largest = min(next((size for size in SIZES if size >= needed), SIZES[-1]), PRESETS[config.preset].largest)
    return [size for size in reversed(SIZES) if size <= largest and (size <= max(seen) or size == SIZES[0])]


def _widths(config: TrainConfig) -> list[int | None]:
    """Widths of the network to try, the widest that the preset allows first; None where there is nothing to choose."""
    narrower = MODELS[config.model].narrower
    if "width" in config.network or not narrower:
        return [None]
    usual = int(check_settings(config.model, config.network).model_dump()["width"])
    widest = PRESETS[config.preset].widest
    return [width for width in (usual, *narrower) if width <= min(usual, widest)] or [widest]


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


def _passes(
    config: TrainConfig, facts: Facts, probe: Probe, longest: int, width: int | None, seconds: float | None
) -> float | None:
    """How often each frame will be seen; None where nothing says how long."""
    if config.epochs is not None:
        return config.epochs
    steps: float | None = config.steps
    if steps is None and seconds is not None:
        steps = probe.steps_in(seconds, longest, width, facts.tune_frames)
    return None if steps is None else steps * probe.batch * config.devices / facts.frames


def _keep(config: TrainConfig, tune_groups: int) -> tuple[Literal["best", "last"], str]:
    if config.keep is not None:
        return config.keep, "as asked"
    if config.patience is not None:
        return "best", "early stopping trusts the tune part"
    told = f"the tune part has {tune_groups} group{'' if tune_groups == 1 else 's'} of frames"
    if tune_groups < ENOUGH_GROUPS:
        return "last", f"{told}, too few to choose a round by"
    return "best", told


def _start_share(config: TrainConfig, frames: int, new_classes: bool) -> tuple[float, str]:
    if config.start is None:
        return 0.0, "begun with no model"
    if config.start_share is not None:
        return config.start_share, "as asked"
    if new_classes:
        return 0.0, "of the weights that it begins with stays: a class is new, which the old ones would not answer for"
    told = (
        f"of the weights that it begins with stays: they count as much as {START_FRAMES} frames, and {frames} are new"
    )
    return START_FRAMES / (START_FRAMES + frames), told


def _looks(config: TrainConfig, network: SegmentationModel, longest: int, seen: tuple[int, int]) -> tuple[int, str]:
    if config.negatives.looks is not None:
        return config.negatives.looks, "as asked"
    told = "looks at frames and crops at most, to fit the judge of presence"
    looks = looks_within(config.whole_budget_s, network, canvas_shape(seen, longest, network.divisor))
    if config.whole_budget_s is not None:
        told += ", as few as make sense" if looks == LEAST_LOOKS else f", in {BUDGET_SHARE:.0%} of the budget"
    return looks, told


def _strength(config: TrainConfig, passes: float | None) -> tuple[float, str]:
    if config.strength is not None:
        return config.strength, "as asked"
    if passes is None:
        return 1.0, "the usual one"
    told = f"each frame is seen {passes:.0f} times"
    return (1.0, told) if passes >= FEW_PASSES_EACH else (MILD, f"{told} only, so half as often as usual")
