"""Three grouped parts, fit, tune and test: written once, reused by every command, named in every score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import InputError
from ..io.atomic import write_text
from .dataset import Dataset, Progress
from .duplicates import ALIKE, RELATED, clusters, find_pairs

Part = Literal["fit", "tune", "test"]
PARTS: tuple[Part, ...] = ("fit", "tune", "test")
Grouping = Literal["subject", "video", "duplicate cluster", "frame"]

VERSION: Literal[2] = 2  # 1 knew frames by the bytes of their files

STATEMENTS: dict[Grouping, str] = {
    "subject": "by subject",
    "video": "by video and duplicate cluster: videos and duplicates separated, subjects unknown",
    "duplicate cluster": "by duplicate cluster: duplicates separated, subjects unknown",
    "frame": "BY FRAME: LEAKS, frames of one subject stand on both sides; not a score of new subjects",
}
TRIES, LOOKS = 200, 40_000  # as many tries, but no more looks at a group in all: seconds, whatever the size
AREA_CLASSES = 3


class Fold(BaseModel):
    """The names of the frames of each part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: tuple[str, ...]
    tune: tuple[str, ...]
    test: tuple[str, ...]

    def part(self, part: Part) -> tuple[str, ...]:
        """The names of one part."""
        return {"fit": self.fit, "tune": self.tune, "test": self.test}[part]


class Split(BaseModel):
    """How a data set is divided.

    ``grouping``: what is never torn apart. ``groups``: each frame's group. ``hashes``: the `frame_hash` of each, by
    which `evaluate` knows frames again that a model was trained on. ``folds``: one hold-out, or k for
    cross-validation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2]
    grouping: Grouping
    seed: int
    groups: dict[str, str]
    hashes: dict[str, str]
    folds: tuple[Fold, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _keeps_groups_whole(self) -> Split:
        for number, fold in enumerate(self.folds):
            side: dict[str, str] = {}
            for part in PARTS:
                for name in fold.part(part):
                    if name not in self.groups or name not in self.hashes:
                        raise ValueError(f"fold {number} lists {name} without its group and hash")
                    if side.setdefault(self.groups[name], part) != part:
                        raise ValueError(
                            f"fold {number} has {self.groups[name]} in {side[self.groups[name]]} and {part}"
                        )
        return self

    @property
    def statement(self) -> str:
        """The grouping in words, for every score."""
        return STATEMENTS[self.grouping]

    @property
    def leaks(self) -> bool:
        """Whether a score made with this split may look better than new subjects will be."""
        return self.grouping == "frame"

    def fold(self, number: int) -> Fold:
        """Fold ``number``, from 0; raise `InputError` where there are fewer."""
        if not 0 <= number < len(self.folds):
            raise InputError(f"--fold {number}: the split has {len(self.folds)} fold(s), numbered from 0")
        return self.folds[number]

    def indices(self, dataset: Dataset, fold: int, part: Part) -> list[int]:
        """Where the part's frames stand in ``dataset``; raise `InputError` where one is not in it."""
        places = {name: i for i, name in enumerate(dataset.names)}
        missing = [name for name in self.fold(fold).part(part) if name not in places]
        if missing:
            raise InputError(
                f"{dataset.folder}: lacks {missing[0]}, which the split lists; was the split made for this data?"
            )
        return [places[name] for name in self.fold(fold).part(part)]

    def check(self, dataset: Dataset, fold: int) -> None:
        """Raise `InputError` where a frame of the fold is not in ``dataset``, or is another picture there."""
        members = dataset.select(i for part in PARTS for i in self.indices(dataset, fold, part))
        for name, digest in zip(members.names, members.hashes(), strict=True):
            if self.hashes[name] != digest:
                raise InputError(
                    f"{dataset.folder}: {name} is not the frame that was split under this name; make the split again "
                    "with 'sononerve split'"
                )

    def anonymous(self) -> Split:
        """The same split without names: frames are called by their hashes, groups by numbers. For what is passed on."""
        numbers = {group: f"group {i}" for i, group in enumerate(dict.fromkeys(self.groups.values()), start=1)}
        seen: dict[str, int] = {}
        names = {}
        for name, digest in self.hashes.items():
            seen[digest] = seen.get(digest, 0) + 1
            names[name] = digest if seen[digest] == 1 else f"{digest} {seen[digest]}"
        return Split(
            version=VERSION,
            grouping=self.grouping,
            seed=self.seed,
            groups={names[name]: numbers[group] for name, group in self.groups.items()},
            hashes={names[name]: digest for name, digest in self.hashes.items()},
            folds=tuple(
                Fold.model_validate({part: [names[n] for n in fold.part(part)] for part in PARTS})
                for fold in self.folds
            ),
        )

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_text(path, json.dumps(self.model_dump(mode="json"), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read what `write` wrote; raise `InputError` for anything else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(f"{path}: not a split ({error.strerror}); make one with 'sononerve split'") from error
        except ValidationError as error:
            fault = error.errors()[0]
            told = f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}".removeprefix(": ")
            raise InputError(f"{path}: not a split ({told}); make one with 'sononerve split'") from error


def split(
    dataset: Dataset,
    folds: int = 1,
    test: float = 0.2,
    tune: float = 0.1,
    seed: int = 0,
    leaky_frame_split: bool = False,
    progress: Progress | None = None,
) -> Split:
    """Divide a data set into fit, tune and test without tearing a subject apart, alike in presence and area.

    ``folds`` above 1: cross-validation, every group is in one test part; ``test`` is then 1 / folds. Subjects who share
    a duplicate frame are one group. Where subjects are unknown, frames are grouped by video and by near-duplicates.
    Deterministic in ``seed``. Raises `InputError` for too few groups: every part of every fold holds at least one.
    """
    grouping, groups = find_groups(dataset, leaky_frame_split, progress)
    names = list(dict.fromkeys(groups))
    fewest = {1: [1, 2], 2: [2, 2]}.get(folds, [1] * folds)  # outside of each test part two, for fit and tune
    needed = max(sum(fewest), folds + 1)
    if len(names) < needed:
        raise InputError(
            f"{dataset.folder}: {len(names)} group(s) {STATEMENTS[grouping]}; expected at least {needed}, for fit, "
            "tune and test: add subjects"
        )
    features = _features(dataset, groups, names)
    rng = np.random.default_rng(seed)
    shares = [1 / folds] * folds if folds > 1 else [test, 1 - test]
    held_out = _divide(features, shares, fewest, rng)
    made = []
    for number in range(folds):
        rest = np.flatnonzero(held_out != number)
        tuned = rest[_divide(features[rest], [tune, 1 - tune], [1, 1], rng) == 0]
        role = np.where(held_out == number, "test", "fit").astype(object)
        role[tuned] = "tune"
        parts = dict(zip(names, role, strict=True))
        chosen = {p: [n for n, g in zip(dataset.names, groups, strict=True) if parts[g] == p] for p in PARTS}
        made.append(Fold(fit=tuple(chosen["fit"]), tune=tuple(chosen["tune"]), test=tuple(chosen["test"])))
    return Split(
        version=VERSION,
        grouping=grouping,
        seed=seed,
        groups=dict(zip(dataset.names, groups, strict=True)),
        hashes=dict(zip(dataset.names, dataset.hashes(), strict=True)),
        folds=tuple(made),
    )


def inner_folds(fitted: Dataset, division: Split, folds: int, seed: int) -> list[list[int]]:
    """Divide the frames to fit once more, into ``folds`` parts by the split's groups, alike in presence and area.

    The places of each part's frames in ``fitted``. Raises `InputError` for fewer groups than parts.
    """
    groups = [division.groups[name] for name in fitted.names]
    names = list(dict.fromkeys(groups))
    if len(names) < folds:
        raise InputError(
            f"{fitted.folder}: {len(names)} group(s) {division.statement} to fit; a refiner with {folds} inner folds "
            "needs as many: add subjects"
        )
    rng = np.random.default_rng(seed)
    parts = _divide(_features(fitted, groups, names), [1 / folds] * folds, [1] * folds, rng)
    part_of = dict(zip(names, parts, strict=True))
    return [[i for i, group in enumerate(groups) if part_of[group] == k] for k in range(folds)]


def find_groups(
    dataset: Dataset, leaky_frame_split: bool = False, progress: Progress | None = None
) -> tuple[Grouping, list[str]]:
    """Name the group of every frame, and what the groups are; raise `InputError` where only some subjects are known."""
    records = dataset.records
    if leaky_frame_split:
        return "frame", dataset.names
    without = [record.name for record in records if record.subject is None]
    if without and len(without) < len(records):
        raise InputError(f"{dataset.folder}: {without[0]} has no subject while others have; name all of them, or none")
    pairs = find_pairs(dataset, progress)
    # a subject is known well enough to ask for duplicates before it is joined with another; a lone frame is not
    least = RELATED if without else ALIKE
    found = [f"cluster {number}" for number in clusters(pairs, len(dataset), least)]
    if not without:
        return "subject", _merge([str(record.subject) for record in records], found)
    if any(record.video is not None for record in records):
        return "video", _merge([record.video or f"frame {record.name}" for record in records], found)
    return "duplicate cluster", found


def _merge(first: list[str], second: list[str]) -> list[str]:
    """Join two groupings: frames that share a group in either share one in the result, called ``17 + 21``."""
    home = {name: {name} for name in first}
    partners: dict[str, set[str]] = {}
    for name, other in zip(first, second, strict=True):
        partners.setdefault(other, set()).add(name)
    for names in partners.values():
        joined = set().union(*(home[name] for name in names))
        home.update(dict.fromkeys(joined, joined))
    return [" + ".join(sorted(home[name])) for name in first]


def _features(dataset: Dataset, groups: list[str], names: list[str]) -> NDArray[np.float64]:
    """What each part should hold its share of, per group: frames, per class, per third of nerve area; groups."""
    nerve = dataset.areas[:, 0]
    columns = [np.ones(len(dataset)), *(dataset.areas > 0).T.astype(float)]
    if dataset.present.any():
        edges = np.quantile(nerve[dataset.present], np.linspace(0, 1, AREA_CLASSES + 1)[1:-1])
        third = np.digitize(nerve, edges)
        columns += [(dataset.present & (third == k)).astype(float) for k in range(AREA_CLASSES)]
    place = {name: i for i, name in enumerate(names)}
    totals = np.zeros((len(names), len(columns)))
    np.add.at(totals, [place[g] for g in groups], np.array(columns).T)
    return np.asarray(np.c_[totals, np.ones(len(names))], np.float64)


def _divide(
    features: NDArray[np.float64], shares: list[float], fewest: list[int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Give each group ``(g, f)`` a part so that every part has about its share of each feature.

    ``fewest``: how many groups each part holds at least. Greedy, largest groups first with random ties, many times;
    the best of them is kept.
    """
    weights = features / np.maximum(features.sum(0), 1)
    target = np.array(shares)[:, None]
    best, best_cost = np.zeros(len(features), np.int64), np.inf
    for _ in range(max(1, min(TRIES, LOOKS // len(features)))):
        order = np.argsort(-features[:, 0] * rng.uniform(0.5, 1.5, len(features)), kind="stable")
        held = np.zeros((len(shares), features.shape[1]))
        part = np.zeros(len(features), np.int64)
        lacking = np.array(fewest)
        for left, group in zip(range(len(order), 0, -1), order, strict=True):
            gain = ((held - target) ** 2 - (held + weights[group] - target) ** 2).sum(1)
            if left <= lacking.clip(0).sum():
                gain[lacking <= 0] = -np.inf
            part[group] = int(np.argmax(gain))
            lacking[part[group]] -= 1
            held[part[group]] += weights[group]
        cost = float(((held - target) ** 2).sum())
        if cost < best_cost:
            best, best_cost = part, cost
    return best
