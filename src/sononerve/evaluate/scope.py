"""Which frames a score may be made from: never those that the model was trained or tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..data.dataset import Dataset
from ..data.split import STATEMENTS, Part, Split, find_groups
from ..errors import InputError

OVERLAP = "other frames of this data set were trained on: near-duplicates or the same subjects may stand on both sides"

UNKNOWN = "the model does not say what it was trained on: these frames may be among it, so this is no held-out score"

ALL_SEEN = (
    ". Each frame was fitted or tuned on by a member of this ensemble: folds of one cross-validation have no held-out "
    "frame in common. Score every member on its own fold, or the ensemble on other data"
)


@dataclass(frozen=True)
class Scope:
    """The frames to score: ``indices`` into the data set, the ``groups`` to resample, and how that is said.

    ``left_out``: how many frames are not scored, by why. ``warnings``: what a reader must know before the number.
    """

    indices: tuple[int, ...]
    groups: tuple[str, ...]
    statement: str
    left_out: dict[str, int]
    warnings: tuple[str, ...]


def choose_scope(
    dataset: Dataset,
    split: Split | None,
    fold: int,
    part: Part = "test",
    others: Sequence[tuple[Split | None, int]] = (),
) -> Scope:
    """Choose by content: frames are known again by their pixels, whatever they are called.

    Where the split's test part is in ``dataset``, its ``part``; otherwise every frame that was not trained or tuned on.
    ``others``: split and fold of an ensemble's other members; what one of them has seen, the ensemble has. Raises
    `InputError` where no frame is left.
    """
    members = [(split, fold), *others]
    known = [(s, f) for s, f in members if s is not None]
    digests = dataset.hashes() if known else [""] * len(dataset)
    parts = _parts(digests, known)
    unknown = [UNKNOWN] if len(known) < len(members) else []
    tested = [i for i, found in enumerate(parts) if found == part]
    if tested:
        left_out = {f"in the {name} part": parts.count(name) for name in ("fit", "tune", "test") if name != part}
        left_out["not in the split"] = parts.count(None)
        splits = _different([s for s, _ in known])
        groups = _groups(dataset, digests, splits, tested)
        warnings = [*unknown, *([STATEMENTS["frame"]] if any(s.leaks for s in splits) else [])]
        if part != "test":
            warnings.append(f"these are frames of the {part} part, which the model has seen: not a held-out score")
        statement = "; ".join(dict.fromkeys(s.statement for s in splits))
        return Scope(tuple(tested), groups, statement, _nonzero(left_out), tuple(warnings))
    unseen = [i for i, found in enumerate(parts) if found not in ("fit", "tune")]
    if part != "test" or not unseen:
        raise InputError(
            f"{dataset.folder}: holds no frame of the {part} part of the model's split; expected other frames"
            + (ALL_SEEN if others else "")
        )
    grouping, groups_found = find_groups(dataset.select(unseen))
    seen = len(parts) - len(unseen)
    told = "all frames, whether the model has seen them is unknown" if unknown else "frames the model has not seen"
    return Scope(
        indices=tuple(unseen),
        groups=tuple(groups_found),
        statement=f"{told}; intervals {STATEMENTS[grouping]}",
        left_out=_nonzero({"trained or tuned on": seen}),
        warnings=(*unknown, *([OVERLAP] if seen else [])),
    )


def count_seen(
    dataset: Dataset, members: Sequence[tuple[Split | None, int]], parts: tuple[Part, ...] = ("fit", "tune")
) -> int:
    """How many frames are, by their pixels, in one of these parts of one of the splits, in its fold."""
    known = [(split, fold) for split, fold in members if split is not None]
    return sum(part in parts for part in _parts(dataset.hashes(), known)) if known else 0


def _different(splits: Sequence[Split]) -> list[Split]:
    return [split for i, split in enumerate(splits) if split not in splits[:i]]


def _parts(digests: list[str], known: Sequence[tuple[Split, int]]) -> list[Part | None]:
    by_hash: dict[str, Part] = {}
    for part in ("test", "tune", "fit"):  # a frame that is there twice, or that any member fitted, is trained on
        for split, fold in known:
            for name in split.fold(fold).part(part):
                by_hash[split.hashes[name]] = part
    return [by_hash.get(digest) for digest in digests]


def _groups(dataset: Dataset, digests: list[str], splits: list[Split], indices: list[int]) -> tuple[str, ...]:
    """The splits' groups by content; subjects by the names they have in ``dataset``, for a bundle's split has none."""
    by_hash: dict[str, tuple[Split, str]] = {}
    for number, split in enumerate(splits, start=1):
        behind = f" of split {number}" if len(splits) > 1 else ""
        for name, digest in split.hashes.items():
            by_hash.setdefault(digest, (split, split.groups[name] + behind))
    found = []
    for i in indices:
        split, group = by_hash[digests[i]]
        subject = dataset.records[i].subject if split.grouping == "subject" else None
        found.append(subject or group)
    return tuple(found)


def _nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}
