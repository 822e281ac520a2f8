"""What an audit found, as it is printed, drawn and written to JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from .masks import Kind
from .twins import Contradiction


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassAreas(_Part):
    """How much of the frames one class covers: in how many, and the area in pixels (and mm2 where spacing is known)."""

    frames: int
    smallest_px: int | None
    median_px: int | None
    largest_px: int | None
    median_mm2: float | None


class TwinPair(_Part):
    """Two near-duplicates. ``scale`` and ``shift`` (x, y; pixels) lead from the first to the second."""

    files: tuple[str, str]
    likeness: float
    scale: tuple[float, float]
    shift: tuple[float, float]


class Leak(_Part):
    """Two near-duplicates on two sides: of subjects, or of the parts of a split."""

    files: tuple[str, str]
    sides: tuple[str, str]
    likeness: float


class Finding(_Part):
    """Something about one frame; ``box`` is x, y, width, height in pixels."""

    file: str
    kind: Kind | Literal["text", "callipers", "doppler"]
    told: str
    box: tuple[float, float, float, float] | None = None


class Audit(_Part):
    """All that was found. Files are named as in splits and scores.

    ``duplicates``: clusters of one picture exported twice, or of neighbours in a sweep. ``related``: wider clusters of
    one place of one person, by which `split` groups frames of unknown subjects. ``pairs``: the duplicates two by two,
    most alike first. ``one_person``: subjects who share a duplicate. ``leaks``: duplicates on two sides of the split.
    ``scan_areas``: top, bottom, left, right of each frame's scan on the screen.
    """

    sononerve: str
    data: str
    layout: str
    frames: int
    classes: tuple[str, ...]
    sizes: dict[str, int]
    spacing_known: int
    spacings_mm: list[tuple[float, float]]
    subjects: int | None
    videos: int | None
    areas: dict[str, ClassAreas]
    empty: list[str]
    faults: list[str]
    duplicates: list[list[str]]
    related: list[list[str]]
    pairs: list[TwinPair]
    contradictions: list[Contradiction]
    one_person: list[Leak]
    leaks: list[Leak]
    masks: list[Finding]
    screen: list[Finding]
    scan_share: float
    scan_areas: dict[str, tuple[int, int, int, int]]

    @property
    def warnings(self) -> list[str]:
        """What should be looked at before training, in sentences, the worst first."""
        found = (*self.masks, *self.screen)
        files = {kind: {finding.file for finding in found if finding.kind == kind} for kind in WARNED}
        told = [
            (len(self.leaks), "near-duplicate pair(s) stand on two sides of the split: its scores flatter"),
            (len(self.one_person), "pair(s) of subjects share a near-duplicate frame: they may be one person"),
            (
                len({c.files for c in self.contradictions}),
                "pair(s) of near-duplicates have contradictory masks; see train --drop",
            ),
            (len(self.faults), "file(s) cannot be used as they are"),
            *((len(files[kind]), sentence) for kind, sentence in WARNED.items()),
            (int(self.subjects is None and self.frames > 0), "no subject is known: scores are by near-duplicates only"),
        ]
        return [sentence if sentence.startswith("no ") else f"{count} {sentence}" for count, sentence in told if count]


WARNED: dict[str, str] = {
    "text": "frame(s) with what looks like text: look for names before you share them",
    "callipers": "frame(s) with what looks like measuring marks: a network learns them",
    "doppler": "frame(s) with colour flow",
    "outside": "frame(s) whose mask reaches beyond the scan area",
    "rectangle": "frame(s) whose mask is a rectangle: a box, not an outline",
    "blocky": "frame(s) whose mask is drawn in blocks",
    "speck": "frame(s) whose mask has specks beside it",
    "tiny": "frame(s) whose mask is next to nothing beside the others of its class",
}
