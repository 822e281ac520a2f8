"""Frames without a nerve where a data set has none: crops beside the nerve, and phantom frames.

Each frame gives, for each size, one crop without any nerve and one with the whole of it, or neither. So size, frame,
scanner and person tell nothing about presence. Where the two lie in their frames, how bright and how dark at the edge
they are is made alike over the data set (`sononerve.data.balance`), or a network would learn presence from that.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, groupby
from math import ceil, floor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..errors import InputError
from ..frame import Area, Sample
from ..settings import first_fault
from .balance import balance
from .dataset import Dataset, Progress
from .layouts import LAYOUTS
from .phantom import PhantomConfig, samples
from .phantom.vessels import VESSEL
from .screen import DARK, scan_area
from .split import find_groups

Places = NDArray[np.int64]

TRIVIA = ("row", "column", "mean", "deviation", "dark")
"""What is measured of every crop: nothing of it may tell whether a nerve is there."""

Fate = Literal["pair", "no nerve", "nerve too large", "no room beside the nerve"]
"""What a frame gives at one size: a pair of crops, or why not."""

FATES: tuple[Fate, ...] = ("pair", "no nerve", "nerve too large", "no room beside the nerve")


class NegativesConfig(BaseModel):
    """How crops are drawn.

    ``sizes``: sides of a crop as shares of the sides of the scan area, one pair of crops each. ``margin``: how far the
    nerve stays from the edge of a crop, inside as outside, as a share of the crop's sides. ``whole``: share of the
    nerve that a crop with a nerve holds at least. ``draws``: places of each kind that are looked at in each frame.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: tuple[float, ...] = Field(default=(0.3, 0.4, 0.5), min_length=1)
    margin: float = Field(default=0.02, ge=0, lt=0.25)
    whole: float = Field(default=1.0, gt=0, le=1)
    draws: int = Field(default=32, ge=1, le=256)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("sizes")
    @classmethod
    def _in_percent(cls, sizes: tuple[float, ...]) -> tuple[float, ...]:
        in_range = all(0.05 <= size <= 0.95 for size in sizes)
        percents = [round(100 * size) for size in sizes] if in_range else []
        if not percents or len(set(percents)) != len(percents):
            raise ValueError("expected different sizes from 0.05 to 0.95, a hundredth or more apart")
        return tuple(percent / 100 for percent in percents)


def read_config(sizes: str, margin: float, whole: float, seed: int) -> NegativesConfig:
    """Settings as a command line gives them, ``sizes`` as ``0.3,0.4``; raise `InputError` naming a wrong option."""
    try:
        shares = tuple(float(word) for word in sizes.split(","))
        return NegativesConfig(sizes=shares, margin=margin, whole=whole, seed=seed)
    except ValidationError as error:
        raise InputError(f"--{first_fault(error, {})}") from error
    except ValueError as error:
        raise InputError(f"--sizes {sizes}: expected numbers with commas, as 0.3,0.4") from error


@dataclass(frozen=True)
class Crop:
    """A rectangle of frame ``index`` of a data set, ``size`` of its scan area, with the nerve or without any of it.

    ``trivia``: the numbers called `TRIVIA`.
    """

    index: int
    size: float
    present: bool
    area: Area
    trivia: tuple[float, ...]


@dataclass(frozen=True)
class _Candidates:
    """Where crops of one shape may lie in a frame: upper left ``corners`` ``(n, 2)``, their `TRIVIA` ``(n, 5)``."""

    index: int
    size: float
    shape: tuple[int, int]
    present: bool
    corners: Places
    trivia: NDArray[np.float64]

    def crop(self, number: int) -> Crop:
        """One of them."""
        (top, left), (height, width) = self.corners[number].tolist(), self.shape
        area = Area(top, top + height, left, left + width)
        return Crop(self.index, self.size, self.present, area, tuple(self.trivia[number].tolist()))


class NoCropsError(InputError):
    """No frame gives a pair of crops."""


@dataclass(frozen=True)
class Crops:
    """The crops chosen, a pair after another, and what came of the frames at each size."""

    chosen: tuple[Crop, ...]
    fates: dict[float, dict[Fate, int]]


class _Sums:
    """Sums of a plane ``(H, W)`` over rectangles, in four look-ups each (Crow, SIGGRAPH 1984)."""

    def __init__(self, plane: NDArray[np.bool_] | NDArray[np.int64]) -> None:
        self.table = np.pad(plane.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))

    def over(self, tops: Places, lefts: Places, shape: tuple[int, int], grow: int = 0) -> Places:
        """Sums over rectangles of ``shape`` at ``tops`` and ``lefts`` (that broadcast), each edge ``grow`` out."""
        rows, columns = (n - 1 for n in self.table.shape)
        top, bottom = (tops - grow).clip(0), (tops + shape[0] + grow).clip(max=rows)
        left, right = (lefts - grow).clip(0), (lefts + shape[1] + grow).clip(max=columns)
        table = self.table
        return np.asarray(table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left])


def negatives(
    dataset: Dataset, config: NegativesConfig | None = None, progress: Progress | None = None
) -> Iterator[tuple[str, Sample]]:
    """Yield named crops, as many without a nerve as with it, frame by frame.

    A crop of ``images/3.png`` is called ``images/3.png@without30.png`` or ``@with30``, 30 for 0.3 of the scan area. It
    keeps the frame's spacing and annotator. ``subject``, or ``video`` where subjects are unknown, names the frame's
    group as `sononerve.data.split.find_groups` finds it, so that no split tears the crops of a frame, of its
    duplicates, or of two subjects who share one, apart. Deterministic in ``config.seed``.

    >>> list(negatives(load_dataset("frames")))[0][0]  # doctest: +SKIP
    'images/1_0.png@without30.png'
    """
    return cut(dataset, draw_crops(dataset, config, progress))


def draw_crops(dataset: Dataset, config: NegativesConfig | None = None, progress: Progress | None = None) -> Crops:
    """Choose the crops of a data set without cutting them; decodes each frame once."""
    config = config or NegativesConfig()
    fates: dict[float, dict[Fate, int]] = {size: dict.fromkeys(FATES, 0) for size in config.sizes}
    found: dict[float, list[tuple[_Candidates, _Candidates]]] = {size: [] for size in config.sizes}
    for i, name in enumerate(dataset.names):
        sample, rng = dataset[i], np.random.default_rng([config.seed, zlib.crc32(name.encode())])
        for size in config.sizes:
            drawn = _candidates(sample, i, size, config, rng)
            if isinstance(drawn, str):
                fates[size][drawn] += 1
            else:
                fates[size]["pair"] += 1
                found[size].append(drawn)
        if progress is not None:
            progress(i + 1, len(dataset))
    chosen: list[Crop] = []
    for drawn_ones in found.values():
        without, with_nerve = ([both[k].trivia for both in drawn_ones] for k in (0, 1))
        for (empty, full), (a, b) in zip(drawn_ones, balance(without, with_nerve), strict=True):
            chosen += [empty.crop(a), full.crop(b)]
    return Crops(tuple(sorted(chosen, key=lambda crop: crop.index)), fates)


def draw_some_crops(dataset: Dataset, config: NegativesConfig | None = None, progress: Progress | None = None) -> Crops:
    """As `draw_crops`; raise `NoCropsError` where no frame gives a pair."""
    crops = draw_crops(dataset, config, progress)
    if not crops.chosen:
        counts = {fate: sum(found[fate] for found in crops.fates.values()) for fate in FATES}
        why = max(FATES, key=lambda fate: counts[fate])
        raise NoCropsError(f"{dataset.folder}: no frame gives a pair of crops, most often: {why}; try other sizes")
    return crops


def _candidates(
    sample: Sample, index: int, size: float, config: NegativesConfig, rng: np.random.Generator
) -> tuple[_Candidates, _Candidates] | Fate:
    """Crops without and with the nerve, at most ``draws`` of each; or why there are none."""
    if sample.labels is None:
        raise InputError(f"{sample.frame.source}: no mask; expected one, or nobody knows where there is no nerve")
    nerve = sample.labels == 1
    if not nerve.any():
        return "no nerve"
    screen = scan_area(sample.frame.pixels)
    shape = max(1, round(size * screen.shape[0])), max(1, round(size * screen.shape[1]))
    margin = round(config.margin * min(shape))
    tops = np.arange(screen.top, screen.bottom - shape[0] + 1)[:, None]
    lefts = np.arange(screen.left, screen.right - shape[1] + 1)[None]
    empty = np.argwhere(_Sums(_claimed(nerve, sample.boxes)).over(tops, lefts, shape, margin) == 0)
    full = np.argwhere(_Sums(nerve).over(tops, lefts, shape, -margin) >= config.whole * nerve.sum())
    if not len(full):
        return "nerve too large"
    if not len(empty):
        return "no room beside the nerve"

    def candidates(places: Places, present: bool) -> _Candidates:
        corners = places[rng.permutation(len(places))[: config.draws]] + (screen.top, screen.left)
        return _Candidates(index, size, shape, present, corners, _trivia(sample.frame.pixels, screen, corners, shape))

    return candidates(empty, False), candidates(full, True)


def _claimed(nerve: NDArray[np.bool_], boxes: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    """Where a nerve is drawn or boxed, ``(H, W)``: a box reaches beyond the outline that it is drawn around."""
    claimed = nerve.copy()
    for x, y, width, height in [] if boxes is None else boxes.tolist():
        top, left = max(0, floor(y)), max(0, floor(x))
        claimed[top : max(0, ceil(y + height)), left : max(0, ceil(x + width))] = True
    return claimed


def _trivia(pixels: NDArray[np.uint8], screen: Area, corners: Places, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The numbers called `TRIVIA` of crops of ``shape`` at ``corners`` ``(n, 2)``: ``(n, 5)``.

    ``row`` and ``column`` of the middle are shares of the scan area, ``mean`` and ``deviation`` grey levels, ``dark``
    the share of pixels that are no brighter than the screen around the scan area.
    """
    values = pixels.astype(np.int64)
    planes = (values, values**2, pixels <= int(pixels.min()) + DARK)
    count = shape[0] * shape[1]
    mean, square, dark = (_Sums(plane).over(corners[:, 0], corners[:, 1], shape) / count for plane in planes)
    middle = corners + np.array(shape) / 2 - (screen.top, screen.left)
    return np.column_stack([middle / screen.shape, mean, np.sqrt((square - mean**2).clip(0)), dark])


def cut(dataset: Dataset, crops: Crops) -> Iterator[tuple[str, Sample]]:
    """Cut chosen crops out of their frames, named and told their groups; decodes each frame once more."""
    grouping, groups = find_groups(dataset)
    for crop, sample in pieces(dataset, crops):
        group = groups[crop.index]  # of unknown people it must not be called a subject
        told = replace(sample, subject=group) if grouping == "subject" else replace(sample, video=group)
        yield sample.frame.source, told


def pieces(dataset: Dataset, crops: Crops) -> Iterator[tuple[Crop, Sample]]:
    """The crops as samples; decodes each frame once more."""
    for index, together in groupby(crops.chosen, lambda crop: crop.index):
        sample, record = dataset[index], dataset.records[index]
        for crop in together:
            word = "with" if crop.present else "without"
            yield crop, _cut(sample, crop.area, f"{record.name}@{word}{round(100 * crop.size)}.png")


def write_negatives(
    dataset: Dataset,
    out: Path | str,
    config: NegativesConfig | None = None,
    phantoms: int = 0,
    progress: Progress | None = None,
) -> Crops:
    """Write crops, and ``phantoms`` pairs of phantom frames, to the new folder ``out`` with a manifest: all or nothing.

    Raises `InputError` where no frame gives a pair, or ``out`` is there and not empty.
    """
    config = config or NegativesConfig()
    crops = draw_some_crops(dataset, config, progress)
    named_subjects = all(record.subject is not None for record in dataset.records)
    drawn = phantom_pairs(phantoms, dataset.classes, named_subjects, config.seed) if phantoms else iter(())
    LAYOUTS["manifest"].write(chain(cut(dataset, crops), drawn), dataset.classes, Path(out))
    return crops


def _cut(sample: Sample, area: Area, name: str) -> Sample:
    place = slice(area.top, area.bottom), slice(area.left, area.right)
    frame = replace(sample.frame, pixels=sample.frame.pixels[place].copy(), source=name)
    labels = None if sample.labels is None else sample.labels[place].copy()
    boxes = None if sample.boxes is None else _boxes_within(sample.boxes, area)
    return replace(sample, frame=frame, labels=labels, boxes=boxes)


def _boxes_within(boxes: NDArray[np.float32], area: Area) -> NDArray[np.float32]:
    """The parts of boxes ``(n, 4)`` xywh that lie in ``area``, in its own pixels."""
    corner, size = np.array([area.left, area.top]), np.array(area.shape[::-1])
    low = (boxes[:, :2] - corner).clip(0, size)
    high = (boxes[:, :2] + boxes[:, 2:] - corner).clip(0, size)
    clipped = np.concatenate([low, high - low], axis=1)
    return np.asarray(clipped[(clipped[:, 2:] > 0).all(1)], np.float32)


def phantom_pairs(count: int, classes: tuple[str, ...], subjects: bool, seed: int = 0) -> Iterator[tuple[str, Sample]]:
    """Yield ``count`` phantom frames with a nerve and the same ``count`` without it, each pair a person of its own.

    ``subjects``: whether the data set that they join names subjects; the pair is one video otherwise. The annotator is
    ``phantom``.
    """
    vessel = classes.index("vessel") + 1 if "vessel" in classes[1:] else 0
    config = PhantomConfig(subjects=count, frames=1, vessels=vessel > 0, seed=seed)
    for word, empty in (("with", 0.0), ("without", 1.0)):
        for number, sample in enumerate(samples(config.model_copy(update={"empty": empty})), 1):
            assert sample.labels is not None
            labels = np.where(sample.labels == VESSEL, np.uint8(vessel), sample.labels)
            who = f"phantom {number}"
            yield (
                f"images/phantom_{number}@{word}.png",
                replace(
                    sample, labels=labels, subject=who if subjects else None, video=who, index=None, annotator="phantom"
                ),
            )
