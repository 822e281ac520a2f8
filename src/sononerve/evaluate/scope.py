"""Which frames a score may be made from: never those that the model was trained or tuned on."""

from __future__ import annotations

from dataclasses import dataclass

from ..data.dataset import Dataset
from ..data.split import STATEMENTS, Part, Split, find_groups
from ..errors import InputError

OVERLAP = "other frames of this data set were trained on: near-duplicates or the same subjects may stand on both sides"

UNKNOWN = "the model does not say what it was trained on: these frames may be among it, so this is no held-out score"


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


def choose_scope(dataset: Dataset, split: Split | None, fold: int, part: Part = "test") -> Scope:
    """Choose by content: frames are known again by their pixels, whatever they are called.

    Where the split's test part is in ``dataset``, its ``part``; otherwise every frame that was not trained or tuned on.
    Raises `InputError` where none is left.
    """
    digests = [""] * len(dataset) if split is None else dataset.hashes()
    parts = _parts(digests, split, fold)
    tested = [i for i, found in enumerate(parts) if found == part]
    if split is not None and tested:
        left_out = {f"in the {name} part": parts.count(name) for name in ("fit", "tune", "test") if name != part}
        left_out["not in the split"] = parts.count(None)
        groups = _groups(dataset, digests, split, tested)
        warnings = [STATEMENTS["frame"]] if split.leaks else []
        if part != "test":
            warnings.append(f"these are frames of the {part} part, which the model has seen: not a held-out score")
        return Scope(tuple(tested), groups, split.statement, _nonzero(left_out), tuple(warnings))
    unseen = [i for i, found in enumerate(parts) if found not in ("fit", "tune")]
    if part != "test" or not unseen:
        raise InputError(
            f"{dataset.folder}: holds no frame of the {part} part of the model's split; expected other frames"
        )
    grouping, groups_found = find_groups(dataset.select(unseen))
    seen = len(parts) - len(unseen)
    told = (
        "all frames, whether the model has seen them is unknown" if split is None else "frames the model has not seen"
    )
    return Scope(
        indices=tuple(unseen),
        groups=tuple(groups_found),
        statement=f"{told}; intervals {STATEMENTS[grouping]}",
        left_out=_nonzero({"trained or tuned on": seen}),
        warnings=(UNKNOWN,) if split is None else (OVERLAP,) if seen else (),
    )


def _parts(digests: list[str], split: Split | None, fold: int) -> list[Part | None]:
    if split is None:
        return [None] * len(digests)
    members = split.fold(fold)
    by_hash: dict[str, Part] = {}
    for part in ("test", "tune", "fit"):  # a frame that is there twice counts as trained on
        for name in members.part(part):
            by_hash[split.hashes[name]] = part
    return [by_hash.get(digest) for digest in digests]


def _groups(dataset: Dataset, digests: list[str], split: Split, indices: list[int]) -> tuple[str, ...]:
    """The split's groups by content; subjects by the names they have in ``dataset``, for a bundle's split has none."""
    by_hash = {digest: split.groups[name] for name, digest in split.hashes.items()}
    found = []
    for i in indices:
        subject = dataset.records[i].subject if split.grouping == "subject" else None
        found.append(subject or by_hash[digests[i]])
    return tuple(found)


def _nonzero(counts: dict[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}
