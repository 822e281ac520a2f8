"""What near-duplicates tell: masks that contradict each other, subjects who are one person, splits that leak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...errors import InputError
from ..dataset import Dataset
from ..duplicates import ALIKE, Pair, clusters
from ..split import PARTS, Split

SAME_PICTURE = 0.9  # likeness from which two frames are one picture, not neighbours
LEAST_DICE = {True: 0.7, False: 0.3}  # of masks on the same picture, on neighbours; below, they contradict each other
WORTH = 0.001  # of the frame; less of a class is no contradiction
MASKS_KEPT = 256  # decoded ones in memory
BEYOND = 255  # label of what the other frame does not show


class Contradiction(BaseModel):
    """Two near-duplicates whose masks disagree: ``dice`` of class ``name`` once one is laid on the other."""

    model_config = ConfigDict(frozen=True)

    files: tuple[str, str]
    likeness: float
    name: str
    dice: float
    empty: str | None
    """The file that has none of the class where the other has some."""


def contradictions(dataset: Dataset, pairs: Sequence[Pair]) -> list[Contradiction]:
    """The pairs of likeness `ALIKE` and more whose masks contradict each other, the worst first."""
    labels = lru_cache(MASKS_KEPT)(dataset.labels)
    found = []
    for pair in sorted(pairs, key=lambda pair: (pair.first, pair.second)):  # so that a mask is decoded about once
        if pair.likeness >= ALIKE:
            found += _disagreements(dataset, pair, labels)
    return sorted(found, key=lambda c: (c.dice, -c.likeness, c.files))


def _disagreements(dataset: Dataset, pair: Pair, labels: Callable[[int], NDArray[np.uint8]]) -> list[Contradiction]:
    one, other = labels(pair.first), labels(pair.second)
    files = (dataset.names[pair.first], dataset.names[pair.second])
    carried = pair.alignment.warp(one, other.shape, outside=BEYOND)
    found = []
    for label, name in enumerate(dataset.classes, start=1):
        a, b = (carried == label), (other == label) & (carried != BEYOND)
        areas = (np.count_nonzero(a), np.count_nonzero(b))
        if max(areas) < WORTH * carried.size:
            continue
        dice = 2 * np.count_nonzero(a & b) / sum(areas)
        if dice < LEAST_DICE[pair.likeness >= SAME_PICTURE]:
            empty = files[int(areas[0] > 0)] if not min(areas) else None
            found.append(
                Contradiction(
                    files=files, likeness=round(pair.likeness, 3), name=name, dice=round(dice, 3), empty=empty
                )
            )
    return found


def files_to_drop(found: Sequence[Contradiction]) -> dict[str, str]:
    """Which frames of a training set to leave out, and why: of two, the one without what the other has; else both."""
    reasons: dict[str, str] = {}
    for c in found:
        told = f"contradicts {{}} (likeness {c.likeness:.2f}, Dice of {c.name} {c.dice:.2f})"
        for file, other in (c.files, c.files[::-1]):
            if c.empty in (None, file):
                reasons.setdefault(file, told.format(other))
    return reasons


def file_clusters(names: Sequence[str], pairs: Sequence[Pair], least: float) -> list[list[str]]:
    """The files of each cluster of two and more, largest first."""
    members: dict[int, list[str]] = {}
    for name, number in zip(names, clusters(pairs, len(names), least).tolist(), strict=True):
        members.setdefault(number, []).append(name)
    return sorted((files for files in members.values() if len(files) > 1), key=lambda files: (-len(files), files))


def across_subjects(dataset: Dataset, pairs: Sequence[Pair]) -> list[Pair]:
    """The most alike pair of every two subjects who share a duplicate: they may be one person."""
    best: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        subjects = sorted({str(dataset.records[i].subject) for i in (pair.first, pair.second)})
        known = all(dataset.records[i].subject is not None for i in (pair.first, pair.second))
        if known and len(subjects) == 2 and pair.likeness >= ALIKE:
            best.setdefault((subjects[0], subjects[1]), pair)
    return list(best.values())


def check_names(dataset: Dataset, division: Split, fold: int) -> None:
    """Raise `InputError` where the split has no such fold, or where it was made for other data: it would look clean."""
    listed = {name for part in PARTS for name in division.fold(fold).part(part)}
    unknown = [name for name in dataset.names if name not in listed]
    if unknown:
        raise InputError(
            f"{dataset.folder}: {len(unknown)} of {len(dataset)} frames are not in the split, {unknown[0]} for one; "
            "was it made for this data? make it again with 'sononerve split'"
        )


def across_parts(
    names: Sequence[str], division: Split, fold: int, pairs: Sequence[Pair]
) -> list[tuple[Pair, str, str]]:
    """Duplicates that a split has in two parts, with the parts."""
    part_of = {name: part for part in PARTS for name in division.fold(fold).part(part)}
    found: list[tuple[Pair, str, str]] = []
    for pair in pairs:
        first, second = (part_of.get(names[i]) for i in (pair.first, pair.second))
        if first and second and first != second and pair.likeness >= ALIKE:
            found.append((pair, first, second))
    return found
