"""CVAT for images 1.1: annotations.xml and the images, in images/ or beside it.

Read are the elements polygon, box and mask, in the order of ``z_order``; tags are passed by. Source of the rules:
CVAT's documentation of its XML format. A mask's ``rle`` counts along the rows of its box, background first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring  # to write; parsing is defusedxml's

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from ...errors import InputError
from ...frame import Sample, measure
from ...io import counts
from ...io.documents import begins_like, check_size
from ...io.images import write_png
from ...io.inside import path_inside
from .drawn import Drawn, Mask, Polygons, Rectangle, Shape, boxes_of, masks_of
from .names import Names, first_file, only_file, refuse_twins
from .record import Record

FILE = "annotations.xml"
HEAD = r"<annotations\b"
READ = ("polygon", "box", "mask")
PASSED_BY = ("tag",)

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Patch:
    """A mask within the box left, top, width, height, as run lengths along its rows."""

    box: tuple[int, int, int, int]
    runs: tuple[int, ...]

    def mask(self, size: tuple[int, int]) -> Mask:
        """Laid into the frame."""
        left, top, width, height = self.box
        inside = left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= size[1]
        if not inside or top + height > size[0]:
            raise InputError(
                f"a mask in the box {list(self.box)}, outside of its frame of {size[1]} x {size[0]} pixels"
            )
        covered = np.zeros(size, np.bool_)
        covered[top : top + height, left : left + width] = counts.decode(self.runs, (height, width), "C")
        return covered


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.xml") if not p.name.startswith(".") and begins_like(p, HEAD))


def matches(folder: Path) -> bool:
    """Whether there is an XML file that begins like CVAT's."""
    return bool(_files(folder))


def read(folder: Path) -> list[Record]:
    """Read the one file; raise `InputError` for what is not CVAT's, for entities, and for a name that leaves."""
    file, labels, frames = only_file(_files(folder), folder, "XML file of CVAT's"), [], []
    check_size(file, "CVAT's XML")
    try:
        for element in _elements(file):
            if element.tag == "image":
                frames.append(_frame(element, file))
            elif element.tag == "label":
                labels.append((element.findtext("name") or "").strip())
            elif element.tag == "track":
                raise InputError(f"{file}: is 'CVAT for video'; export it as 'CVAT for images 1.1'")
    except DefusedXmlException as error:
        raise InputError(f"{file}: declares a document type or entities, which are refused; export it again") from error
    except (ParseError, RecursionError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: not CVAT's XML ({' '.join(str(error).split())}); export it again") from error
    classes = tuple(dict.fromkeys(name for name in labels if name)) or None
    boxed = any(isinstance(shape, Rectangle) for frame in frames for _, shape in frame.shapes)
    records = [_record(folder, file, frame, classes, boxed) for frame in frames]
    if not records:
        raise InputError(f"{file}: lists no images; expected 'CVAT for images 1.1'")
    refuse_twins(records, file)
    return records


def _elements(file: Path) -> Iterator[Element]:
    """The images, labels and tracks, each once it is whole; what was used is let go."""
    parents: list[Element] = []
    for event, element in iterparse(str(file), events=("start", "end"), forbid_dtd=True):
        if event == "start":
            parents.append(element)
            continue
        parents.pop()
        if element.tag in ("image", "label", "track"):
            yield element
            element.clear()
            if parents:
                parents[-1].remove(element)


@dataclass(frozen=True)
class _Frame:
    name: str
    subset: str
    size: tuple[int, int]
    shapes: tuple[tuple[str, Shape], ...]


def _frame(element: Element, file: Path) -> _Frame:
    name = element.get("name", "")
    where = f"{file}, image {name[:200]!r}"
    drawn = []
    for child in element:
        if child.tag in PASSED_BY:
            continue
        if child.tag not in READ:
            raise InputError(f"{where}: a {child.tag}; expected {', '.join(READ)}: remove it or draw it as one of them")
        label = child.get("label", "")
        if not label:
            raise InputError(f"{where}: a {child.tag} without label; give it one")
        drawn.append((_number(child, "z_order", int, where, 0), label, _shape(child, where)))
    drawn.sort(key=lambda entry: entry[0])
    size = _number(element, "height", int, where), _number(element, "width", int, where)
    return _Frame(name, element.get("subset", ""), size, tuple((label, shape) for _, label, shape in drawn))


def _shape(element: Element, where: str) -> Shape:
    if _number(element, "rotation", float, where, 0.0) != 0:
        raise InputError(f"{where}: a rotated {element.tag}; expected an upright one: draw it as a polygon")
    if element.tag == "box":
        left, top, right, bottom = (_number(element, key, float, where) for key in ("xtl", "ytl", "xbr", "ybr"))
        return Rectangle((left, top, right - left, bottom - top))
    try:
        if element.tag == "polygon":
            points = element.get("points", "").split(";")
            return Polygons((tuple(float(v) for point in points for v in _pair(point)),))
        runs = tuple(int(word) for word in element.get("rle", "").split(","))
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: a {element.tag} whose points or rle are no numbers; export it again") from error
    left, top, width, height = (_number(element, key, int, where) for key in ("left", "top", "width", "height"))
    return Patch((left, top, width, height), runs)


def _pair(text: str) -> tuple[str, str]:
    x, y = text.split(",")
    return x, y


def _number(element: Element, key: str, kind: Callable[[str], T], where: str, default: T | None = None) -> T:
    text = element.get(key)
    if text is None and default is not None:
        return default
    try:
        value = kind(text or "")
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {key} of {element.tag} is {(text or '')[:40]!r}; expected a number") from error
    if not abs(value) < 1e6:
        raise InputError(f"{where}: {key} of {element.tag} is {(text or '')[:40]!r}; expected a place in the frame")
    return value


def _record(folder: Path, file: Path, frame: _Frame, classes: tuple[str, ...] | None, boxed: bool) -> Record:
    inside = path_inside(folder, frame.name, str(file)).relative_to(folder)
    homes = [Path("images"), Path(), Path("images") / frame.subset]
    path = first_file(path_inside(folder, str(home / inside), str(file)) for home in homes)
    boxes = boxes_of(frame.shapes, classes[0] if classes else None) if boxed else None
    name = path.relative_to(folder).as_posix()
    return Record(name, path, Drawn(file, frame.shapes, frame.size), boxes=boxes, classes=classes)


def write(samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path) -> Names:
    """Write images/ and annotations.xml: a class of a frame is one mask."""
    names, labels = Names(), Element("labels")
    for name in classes:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "type").text = "mask"
    with (folder / FILE).open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n')
        file.write(f"<meta><task>{tostring(labels, 'unicode')}</task></meta>\n")
        for number, (name, sample) in enumerate(samples):
            new = f"{names.path(name)}.png"
            write_png(folder / "images" / new, sample.frame.pixels)
            height, width = sample.frame.shape
            image = Element("image", {"id": str(number), "name": new, "width": str(width), "height": str(height)})
            for _, label_name, mask in masks_of(sample, classes):
                SubElement(image, "mask", {"label": label_name, "source": "file", "occluded": "0"} | _patch(mask))
            file.write(tostring(image, "unicode") + "\n")
            names.note(f"images/{new}", name, sample.subject)
        file.write("</annotations>\n")
    return names


def _patch(mask: Mask) -> dict[str, str]:
    left, top, width, height = measure(mask, "").box or (0, 0, 0, 0)
    runs = counts.encode(mask[top : top + height, left : left + width], "C")
    place = {"left": str(left), "top": str(top), "width": str(width), "height": str(height)}
    return {"rle": ", ".join(map(str, runs))} | place | {"z_order": "0"}
