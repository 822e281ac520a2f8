"""An audit as a folder: a page with the pairs side by side, their pictures, and the JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ...io.atomic import new_folder, write_bytes, write_text
from ...io.page import document, figure, warnings
from ...overlay import NAMES, overlay
from ..dataset import Dataset
from ..layouts.record import Box
from .findings import Audit, Finding, Leak
from .table import lines

PAGE, JSON = "index.html", "audit.json"
HEIGHT = 320  # of a shown frame, pixels
GAP = 8  # between frames, pixels
MOST_CLUSTERS, MOST_IN_CLUSTER, MOST = 100, 6, 60
QUALITY = 85
MARK = (255, 0, 255)  # of boxes: no class has this colour

Picture = NDArray[np.uint8]
Found = TypeVar("Found")


def write_audit(audit: Audit, dataset: Dataset, out: Path) -> Path:
    """Write ``index.html``, ``audit.json`` and ``pictures/`` to the new folder ``out``; return the page.

    Raises `InputError` where ``out`` is there and not empty. What is too much for a page is counted there, and whole in
    the JSON.
    """
    with new_folder(out) as building:
        write_text(building / JSON, audit.model_dump_json(indent=1) + "\n")
        write_text(building / PAGE, document(f"Audit of {audit.data}", "".join(_sections(audit, dataset, building))))
    return out / PAGE


def _sections(audit: Audit, dataset: Dataset, building: Path) -> Iterator[str]:
    drawn = _Drawn(dataset, building)
    yield warnings(audit.warnings)
    rows = "".join(f"<tr><td>{escape(title)}</td><td>{escape(text)}</td></tr>" for title, text in lines(audit))
    yield f'<div class="wide"><table class="told"><caption>What was looked at and found</caption>{rows}</table></div>'
    outlined = ", ".join(f"{name} in {NAMES[i % len(NAMES)]}" for i, name in enumerate(audit.classes))
    yield (
        f"<p>Outlines in the pictures are the masks as stored: {escape(outlined)}. Likeness is the correlation of the "
        "structures of two frames where both show them; 1 is the same picture.</p>"
    )
    yield _listed("Files that cannot be used", audit.faults)
    yield drawn.section("Duplicates on two sides of the split", audit.leaks, MOST, drawn.leak)
    yield drawn.section("Subjects who may be one person", audit.one_person, MOST, drawn.leak)
    yield drawn.section(
        "Near-duplicates with contradictory masks",
        audit.contradictions,
        MOST,
        lambda c: drawn.row(c.files, f"{c.name}: Dice {c.dice:.2f} once laid on each other, likeness {c.likeness:.2f}"),
    )
    likeness = {pair.files: pair.likeness for pair in audit.pairs}
    yield drawn.section(
        "Near-duplicates",
        audit.duplicates,
        MOST_CLUSTERS,
        lambda files: drawn.row(files[:MOST_IN_CLUSTER], _cluster_caption(files, likeness)),
    )
    yield drawn.section("Masks to look at", _by_frame(audit.masks), MOST, drawn.findings)
    yield drawn.section("Drawn over the echoes", _by_frame(audit.screen), MOST, drawn.findings)
    yield _listed("Empty masks", audit.empty)
    yield f"<footer><p>Made by sononerve {escape(audit.sononerve)}.</p></footer>"


def _by_frame(found: list[Finding]) -> list[list[Finding]]:
    frames: dict[str, list[Finding]] = {}
    for finding in found:
        frames.setdefault(finding.file, []).append(finding)
    return list(frames.values())


def _cluster_caption(files: list[str], likeness: dict[tuple[str, str], float]) -> str:
    within = set(files)
    found = [f"{value:.2f}" for pair, value in likeness.items() if within.issuperset(pair)]
    span = found[0] if min(found) == max(found) else f"{min(found)} to {max(found)}"
    hidden = f", {len(files) - MOST_IN_CLUSTER} of them not shown" if len(files) > MOST_IN_CLUSTER else ""
    return f"{len(files)} frames{hidden}; likeness {span}"


def _listed(title: str, names: list[str]) -> str:
    if not names:
        return ""
    shown = "".join(f"<li>{escape(name)}</li>" for name in names[:MOST])
    more = f"<p>and {len(names) - MOST} more, in {JSON}.</p>" if len(names) > MOST else ""
    return f"<h2>{escape(title)} ({len(names)})</h2><ul>{shown}</ul>{more}"


class _Drawn:
    """Draws frames into ``pictures/`` of the page's folder, and what shows them."""

    def __init__(self, dataset: Dataset, building: Path) -> None:
        self.dataset, self.building, self.count = dataset, building, 0
        self.place = {name: i for i, name in enumerate(dataset.names)}

    def section(self, title: str, found: list[Found], most: int, draw: Callable[[Found], str]) -> str:
        """A heading with how many there are, and the first of them; nothing where there are none."""
        if not found:
            return ""
        more = f"<p>The first {most} are shown; all are in {JSON}.</p>" if len(found) > most else ""
        return f"<h2>{escape(title)} ({len(found)})</h2>{more}" + "".join(draw(one) for one in found[:most])

    def row(self, files: Iterable[str], caption: str) -> str:
        """Frames side by side, with the outlines of their masks."""
        files = list(files)
        return self._figure([self._frame(file) for file in files], f"{', '.join(files)}: {caption}")

    def leak(self, leak: Leak) -> str:
        """Two frames and the sides they are on."""
        return self.row(leak.files, f"{leak.sides[0]} and {leak.sides[1]}, likeness {leak.likeness:.2f}")

    def findings(self, found: list[Finding]) -> str:
        """A frame, with boxes around all that was found in it."""
        file, told = found[0].file, Counter(finding.told for finding in found)
        words = ", ".join(f"{text} ({count} times)" if count > 1 else text for text, count in told.items())
        return self._figure([self._frame(file, [f.box for f in found if f.box is not None])], f"{file}: {words}")

    def _frame(self, file: str, boxes: Iterable[Box] = ()) -> Picture:
        sample = self.dataset[self.place[file]]
        scale = HEIGHT / sample.frame.shape[0]
        size = (max(1, round(sample.frame.shape[1] * scale)), HEIGHT)
        pixels = cv2.resize(sample.frame.pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        stored = np.zeros(sample.frame.shape, np.uint8) if sample.labels is None else sample.labels
        labels = cv2.resize(stored, size, interpolation=cv2.INTER_NEAREST)
        picture = overlay(np.asarray(pixels, np.uint8), np.asarray(labels, np.uint8), fill=0)
        for box in boxes:
            x, y, width, height = (round(value * scale) for value in box)
            cv2.rectangle(picture, (x - 2, y - 2), (x + width + 2, y + height + 2), MARK, 2)
        return picture

    def _figure(self, pictures: list[Picture], caption: str) -> str:
        gap = np.full((HEIGHT, GAP, 3), 128, np.uint8)
        parts = [part for picture in pictures for part in (gap, picture)][1:]
        encoded = cv2.imencode(".jpg", np.hstack(parts)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        name = f"pictures/{self.count:04d}.jpg"
        self.count += 1
        write_bytes(self.building / name, encoded.tobytes())
        return figure(name, caption)
