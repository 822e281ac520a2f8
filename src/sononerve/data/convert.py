"""From one layout to another: pixels and masks without loss, and a list of what the new layout has no place for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from ..frame import Sample
from ..io.atomic import check_new_folder
from .dataset import Dataset, Progress
from .layouts import LAYOUTS, Layout
from .layouts.drawn import Drawn
from .layouts.facts import facts
from .layouts.names import Folds, Names
from .split import PARTS, Split

OVERLAP, HIDDEN = "overlap of shapes (the later counts)", "mask and subject in the test part"


def target(name: str, out: Path, split: Split | None = None) -> Layout:
    """The layout called ``name``, after a check that ``out`` can be made in it; raise `InputError` otherwise."""
    writable = [key for key, layout in LAYOUTS.items() if layout.writer is not None]
    if name not in writable:
        raise InputError(f"--to {name}: unknown, or only read; expected one of {', '.join(writable)}")
    if split is not None and not LAYOUTS[name].holds_split:
        holding = ", ".join(key for key in writable if LAYOUTS[key].holds_split)
        raise InputError(f"--split: the layout {name} has no place for one; of those that can be written: {holding}")
    check_new_folder(out)
    return LAYOUTS[name]


def losses(
    dataset: Dataset, layout: Layout, split: Split | None = None, progress: Progress | None = None
) -> dict[str, int]:
    """What ``layout`` cannot hold of a data set with its ``split``, and of how many frames; decodes each frame once.

    Raises `InputError` naming a file that cannot be read.
    """
    lost: Counter[str] = Counter()
    taken: set[tuple[str | None, int]] = set()
    for i, record in enumerate(dataset.records):
        sample = dataset[i]
        lost.update(fact for fact in facts(sample) if fact not in layout.holds and _is_new(fact, layout))
        if sample.index is not None and "frame number" in layout.holds and "video" not in layout.holds:
            place = sample.subject, sample.index  # without videos a number stands once for each subject
            lost["frame number"] += place in taken
            taken.add(place)
        if isinstance(record.mask, Drawn) and record.mask.overlap(sample.frame.shape):
            lost[OVERLAP] += 1
        if progress is not None:
            progress(i + 1, len(dataset))
    if split is not None and layout.hides_test:
        lost[HIDDEN] = len(split.fold(0).test)
    return {what: count for what, count in lost.items() if count}


def _is_new(fact: str, layout: Layout) -> bool:
    """Whether a fact is worth its own line: a subject that is lost is not lost by its name too."""
    return fact != "subject by name" or "subject" in layout.holds


def convert(
    dataset: Dataset, layout: Layout, out: Path | str, split: Split | None = None, progress: Progress | None = None
) -> Names:
    """Write a data set to the new folder ``out``, frame by frame, all or nothing; masks and pixels are kept exactly.

    ``split`` goes along where the layout has a place for it. Raises `InputError` where it lists other frames, where
    ``out`` is there and not empty, or where the layout cannot hold a frame.
    """
    folds: Folds | None = None
    if split is not None:
        for number in range(len(split.folds)):
            for part in PARTS:
                split.indices(dataset, number, part)
        folds = [{part: fold.part(part) for part in PARTS} for fold in split.folds]
    return layout.write(_named(dataset, progress), dataset.classes, Path(out), folds)


def _named(dataset: Dataset, progress: Progress | None) -> Iterator[tuple[str, Sample]]:
    for i, name in enumerate(dataset.names):
        yield name, dataset[i]
        if progress is not None:
            progress(i + 1, len(dataset))
