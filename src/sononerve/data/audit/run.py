"""The audit: every frame is looked at once, then all are compared with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...errors import InputError
from ...frame import Area
from ...io.frames import read_stored
from ...io.images import to_gray
from ...process import READERS, keep_memory, one_thread
from ..dataset import Dataset, Progress
from ..duplicates import ALIKE, RELATED, Pair, Plane, pairs_of, plane_of
from ..split import Split
from .findings import Audit, ClassAreas, Finding, Leak, TwinPair
from .masks import oddities, tiny
from .overlay import find_overlays
from .twins import across_parts, across_subjects, check_names, contradictions, file_clusters

FEWEST_MARKS = 2  # a distance has two ends, and tissue seldom looks like a mark twice


@dataclass(frozen=True)
class _Look:
    """What one frame tells by itself."""

    plane: Plane
    spacing: tuple[float, float] | None
    masks: list[Finding]
    screen: list[Finding]


def audit(
    dataset: Dataset,
    division: Split | None = None,
    fold: int = 0,
    faults: Sequence[str] = (),
    progress: Progress | None = None,
) -> Audit:
    """Find what a careful colleague would find in a data set before training.

    ``division``: a split whose ``fold`` is searched for duplicates on two sides. ``faults``: what `load_dataset` could
    not use; frames that cannot be decoded are added. A frame is decoded once, and 16 kB of it are kept. Raises
    `InputError` for a split of other data, and where no frame can be decoded.

    >>> audit(load_dataset("frames")).duplicates  # doctest: +SKIP
    [['images/0043.png', 'images/0077.png']]
    """
    if division is not None:
        check_names(dataset, division, fold)
    dataset, looks, broken = _looks(dataset, progress)
    faults = [*faults, *broken]
    pairs = pairs_of([look.plane for look in looks], dataset.homes)
    names, areas = dataset.names, {n: look.plane.area for n, look in zip(dataset.names, looks, strict=True)}
    small = [
        Finding(file=names[i], kind=o.kind, told=f"{o.name}: {o.told}") for i, o in tiny(dataset.areas, dataset.classes)
    ]
    return Audit(
        sononerve=__version__,
        data=dataset.folder.name,
        layout=dataset.layout,
        frames=len(dataset),
        classes=dataset.classes,
        sizes=dict(Counter(f"{width}x{height}" for height, width in dataset.sizes.tolist()).most_common()),
        spacing_known=sum(look.spacing is not None for look in looks),
        spacings_mm=sorted({look.spacing for look in looks if look.spacing is not None}),
        subjects=_count(record.subject for record in dataset.records),
        videos=_count(record.video for record in dataset.records),
        areas=_class_areas(dataset, looks),
        empty=[name for name, area in zip(names, dataset.areas, strict=True) if not area.any()],
        faults=list(faults),
        duplicates=file_clusters(names, pairs, ALIKE),
        related=file_clusters(names, pairs, RELATED),
        pairs=[_twins(dataset, pair) for pair in pairs if pair.likeness >= ALIKE],
        contradictions=contradictions(dataset, pairs),
        one_person=[_leak(dataset, pair, _subjects(dataset, pair)) for pair in across_subjects(dataset, pairs)],
        leaks=[_leak(dataset, pair, parts) for pair, *parts in across_parts(names, division, fold, pairs)]
        if division
        else [],
        masks=[*(finding for look in looks for finding in look.masks), *small],
        screen=[finding for look in looks for finding in look.screen],
        scan_share=round(
            float(np.mean([_share(areas[n], size) for n, size in zip(names, dataset.sizes, strict=True)])), 3
        ),
        scan_areas={name: tuple(area) for name, area in areas.items()},
    )


def _looks(dataset: Dataset, progress: Progress | None) -> tuple[Dataset, list[_Look], list[str]]:
    """The frames that can be decoded, a look at each, and what is wrong with the others."""

    def look_or_fault(i: int) -> _Look | InputError:
        try:
            return _look(dataset, i)
        except InputError as error:
            return error

    found: list[_Look | InputError] = []
    keep_memory()
    with one_thread(), ThreadPoolExecutor(READERS) as pool:
        for one in pool.map(look_or_fault, range(len(dataset))):
            found.append(one)
            if progress is not None:
                progress(len(found), len(dataset))
    faults = [str(one) for one in found if isinstance(one, InputError)]
    if len(faults) == len(found):
        raise InputError(f"{faults[0]} (no frame of {len(found)} can be decoded)")
    sound = dataset.select(i for i, one in enumerate(found) if isinstance(one, _Look)) if faults else dataset
    return sound, [one for one in found if isinstance(one, _Look)], faults


def _look(dataset: Dataset, i: int) -> _Look:
    record = dataset.records[i]
    pixels = read_stored(record.image, record.place)
    plane = plane_of(to_gray(pixels, record.image))
    return _Look(plane, record.spacing_mm, _mask_findings(dataset, i, plane.area), _screen(pixels, record.name))


def _mask_findings(dataset: Dataset, i: int, area: Area) -> list[Finding]:
    labels, record = dataset.labels(i), dataset.records[i]
    odd = [o for label, c in enumerate(dataset.classes, 1) for o in oddities(labels == label, area, c)]
    if record.boxes is not None:  # then rectangles are what was drawn
        odd = [o for o in odd if o.kind not in ("rectangle", "blocky")]
    return [Finding(file=record.name, kind=o.kind, told=f"{o.name}: {o.told}") for o in odd]


def _screen(pixels: NDArray[np.uint8], name: str) -> list[Finding]:
    """What was burned into a frame, ``(H, W)`` or ``(H, W, 3)``."""
    drawn = find_overlays(pixels)
    found = [Finding(file=name, kind="text", told="a line of text", box=box) for box in drawn.text]
    marks = drawn.callipers if len(drawn.callipers) >= FEWEST_MARKS else ()
    found += [Finding(file=name, kind="callipers", told="a measuring mark", box=box) for box in marks]
    if drawn.doppler is not None:
        found.append(Finding(file=name, kind="doppler", told="colour flow", box=drawn.doppler))
    return found


def _count(values: Iterable[str | None]) -> int | None:
    """How many different ones there are; None where none is known."""
    return len({value for value in values if value is not None}) or None


def _class_areas(dataset: Dataset, looks: list[_Look]) -> dict[str, ClassAreas]:
    sides = dataset.sizes.prod(1)
    found = {}
    for column, name in enumerate(dataset.classes):
        pixels = np.rint(dataset.areas[:, column] * sides).astype(int)
        drawn = pixels[pixels > 0]
        known = [
            p * look.spacing[0] * look.spacing[1] for p, look in zip(pixels, looks, strict=True) if p and look.spacing
        ]
        found[name] = ClassAreas(
            frames=len(drawn),
            smallest_px=int(drawn.min()) if len(drawn) else None,
            median_px=int(np.median(drawn)) if len(drawn) else None,
            largest_px=int(drawn.max()) if len(drawn) else None,
            median_mm2=round(float(np.median(known)), 2) if known else None,
        )
    return found


def _share(area: Area, size: NDArray[np.int64]) -> float:
    return area.shape[0] * area.shape[1] / float(size.prod())


def _files(dataset: Dataset, pair: Pair) -> tuple[str, str]:
    return dataset.names[pair.first], dataset.names[pair.second]


def _subjects(dataset: Dataset, pair: Pair) -> Sequence[str]:
    return [str(dataset.records[i].subject) for i in (pair.first, pair.second)]


def _leak(dataset: Dataset, pair: Pair, sides: Sequence[str]) -> Leak:
    return Leak(files=_files(dataset, pair), sides=(sides[0], sides[1]), likeness=round(pair.likeness, 3))


def _twins(dataset: Dataset, pair: Pair) -> TwinPair:
    lies = pair.alignment
    return TwinPair(
        files=_files(dataset, pair),
        likeness=round(pair.likeness, 3),
        scale=(round(lies.scale_x, 4), round(lies.scale_y, 4)),
        shift=(round(lies.shift_x, 1), round(lies.shift_y, 1)),
    )
