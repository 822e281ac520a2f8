"""LabelMe: a JSON file beside each image, with its shapes; sub-folders count.

Read are the shapes polygon, rectangle, circle and mask, drawn as LabelMe itself draws them. The image is the file that
``imagePath`` names beside the JSON file; ``imageData`` is not used.
"""

from __future__ import annotations

import base64
import binascii
import io as streams
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ...errors import InputError
from ...frame import Sample, measure
from ...io.atomic import write_text
from ...io.documents import begins_like, read_json
from ...io.images import SUFFIXES, is_image, write_png
from ...io.inside import path_inside
from .drawn import Drawn, Mask, masks_of
from .facts import Coordinate, Facts
from .names import Names, first_file
from .record import Box, Record

HEAD = r'\A\s*\{.*"shapes"\s*:\s*\['
VERSION = "5.5.0"  # the mask shapes are those of LabelMe 5.2 and later

PNG_SIZE_AT = 16  # the bytes of PNG's header that tell width and height

Kind = Literal["polygon", "rectangle", "circle", "mask"]
Point = tuple[Coordinate, Coordinate]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    label: Annotated[str, Field(min_length=1)]
    points: tuple[Point, ...]
    shape_type: Kind | None = "polygon"
    mask: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    shapes: tuple[_Shape, ...]
    image_path: str = Field(alias="imagePath")
    height: int | None = Field(default=None, alias="imageHeight")
    width: int | None = Field(default=None, alias="imageWidth")
    sononerve: Facts | None = None


@dataclass(frozen=True)
class Outline:
    """A polygon, a rectangle (two corners) or a circle (its middle and a point on it)."""

    kind: Kind
    points: tuple[Point, ...]

    def mask(self, size: tuple[int, int]) -> Mask:
        """Drawn with the outline's own pixels, as LabelMe does."""
        (height, width), needed = size, {"polygon": 3}.get(self.kind, 2)
        if len(self.points) < needed or (needed == 2 and len(self.points) > 2):
            raise InputError(
                f"a {self.kind} of {len(self.points)} points; expected {needed}{' or more' * (needed > 2)}"
            )
        if any(abs(v) > 10 * max(size) + 1000 for point in self.points for v in point):
            raise InputError(f"a {self.kind} that leaves its frame of {width} x {height} pixels far behind; correct it")
        picture = Image.new("L", (width, height))
        draw, (x, y), (u, v) = ImageDraw.Draw(picture), self.points[0], self.points[1]
        if self.kind == "polygon":
            draw.polygon(list(self.points), fill=1, outline=1)
        elif self.kind == "rectangle":
            draw.rectangle([min(x, u), min(y, v), max(x, u), max(y, v)], fill=1, outline=1)
        else:
            radius = float(np.hypot(x - u, y - v))
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1, outline=1)
        return np.asarray(picture) > 0


@dataclass(frozen=True)
class Inset:
    """A small mask, a PNG in base64, that lies between two corners, both within it."""

    points: tuple[Point, ...]
    png: str

    def mask(self, size: tuple[int, int]) -> Mask:
        """Laid into the frame; what lies outside is cut off."""
        if len(self.points) != 2:
            raise InputError(f"a mask of {len(self.points)} points; expected two corners")
        (left, top), (right, bottom) = ((int(x), int(y)) for x, y in self.points)
        small = self._decoded((bottom - top + 1, right - left + 1), size)
        covered = np.zeros(size, np.bool_)
        down, along = slice(max(top, 0), max(bottom + 1, 0)), slice(max(left, 0), max(right + 1, 0))
        target = covered[down, along]
        target |= small[down.start - top :, along.start - left :][: target.shape[0], : target.shape[1]]
        return covered

    def _decoded(self, shape: tuple[int, int], size: tuple[int, int]) -> Mask:
        try:
            data = base64.b64decode(self.png, validate=True)
            width, height = struct.unpack(">II", data[PNG_SIZE_AT : PNG_SIZE_AT + 8])
        except (binascii.Error, struct.error, ValueError) as error:
            raise InputError("a mask that is no PNG in base64; draw it again") from error
        if (height, width) != shape or height > 2 * size[0] or width > 2 * size[1]:  # before anything is unpacked
            raise InputError(f"a mask of {width} x {height} pixels between corners {shape[1]} x {shape[0]} apart")
        try:
            with Image.open(streams.BytesIO(data), formats=["PNG"]) as image:
                return np.asarray(image if image.mode in ("1", "L", "P", "I") else image.convert("L")) > 0
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError("a mask that is no PNG in base64; draw it again") from error


def _files(folder: Path) -> Iterable[Path]:
    found = (path for path in folder.rglob("*.json") if not path.name.startswith("."))
    return (path for path in found if begins_like(path, HEAD))


def matches(folder: Path) -> bool:
    """Whether a JSON file, here or below, begins like LabelMe's."""
    return any(True for _ in _files(folder))


def read(folder: Path) -> list[Record]:
    """Read every file; raise `InputError` for one that is not LabelMe's, and for an image without one."""
    files = sorted(_files(folder))
    if not files:
        raise InputError(f"{folder}: expected LabelMe's JSON files, with shapes and imagePath, beside the images")
    contents = [(file, read_json(file, TypeAdapter(_File), "LabelMe's JSON")) for file in files]
    boxed = any(shape.shape_type == "rectangle" for _, content in contents for shape in content.shapes)
    records = [_record(folder, file, content, boxed) for file, content in contents]
    owners: dict[Path, Path] = {}
    for record, file in zip(records, files, strict=True):
        if record.image in owners:
            raise InputError(f"{file}: is about {record.name}, as {owners[record.image].name} is; keep one of the two")
        owners[record.image] = file
    for home in {file.parent for file in files}:
        for image in sorted(home.iterdir()):
            if is_image(image) and image not in owners and not image.name.startswith("."):
                raise InputError(
                    f"{image}: no JSON file; expected {image.stem}.json beside it (without shapes where there is no "
                    "nerve), or remove the image"
                )
    return records


def _record(folder: Path, file: Path, content: _File, boxed: bool) -> Record:
    path_inside(folder, content.image_path, str(file))  # as it stands: a drive is none behind a folder
    inside = path_inside(folder, (file.parent.relative_to(folder) / content.image_path).as_posix(), str(file))
    stem = file.relative_to(folder).with_suffix("")
    beside = [path_inside(folder, f"{stem}{suffix}", str(file)) for suffix in SUFFIXES]
    image = first_file([inside, *beside])
    known = (content.sononerve or Facts()).known()
    if content.sononerve is None and boxed:
        corners = [s.points for s in content.shapes if s.shape_type == "rectangle" and len(s.points) == 2]
        known["boxes"] = tuple(_box(*points) for points in corners)
    size = None if content.height is None or content.width is None else (content.height, content.width)
    shapes = tuple((shape.label, _shape(shape, file)) for shape in content.shapes)
    return Record(image.relative_to(folder).as_posix(), image, Drawn(file, shapes, size), **known)


def _shape(shape: _Shape, file: Path) -> Outline | Inset:
    if shape.shape_type != "mask":
        return Outline(shape.shape_type or "polygon", shape.points)
    if shape.mask is None:
        raise InputError(f"{file}: a shape of type mask without mask; draw it again")
    return Inset(shape.points, shape.mask)


def _box(one: Point, other: Point) -> Box:
    """The box of a rectangle whose corners are both within it, as it is drawn."""
    (x, y), (u, v) = one, other
    return min(x, u), min(y, v), abs(u - x) + 1, abs(v - y) + 1


def write(samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path) -> Names:
    """Write an image and a JSON file per frame, and classes.txt: a class of a frame is one shape of type mask."""
    names = Names()
    for name, sample in samples:
        stem = names.path(name)
        image = folder / f"{stem}.png"
        write_png(image, sample.frame.pixels)
        height, width = sample.frame.shape
        content: dict[str, object] = {
            "version": VERSION,
            "flags": {},
            "shapes": list(_shapes(sample, classes)),
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_text(folder / f"{stem}.json", json.dumps(content | {"sononerve": {}} | Facts.of(sample).key()) + "\n")
        names.note(f"{stem}.png", name, sample.subject)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes))
    return names


def _shapes(sample: Sample, classes: tuple[str, ...]) -> Iterator[dict[str, object]]:
    for _, name, mask in masks_of(sample, classes):
        x, y, width, height = measure(mask, name).box or (0, 0, 0, 0)
        small = streams.BytesIO()
        Image.fromarray(mask[y : y + height, x : x + width].astype(np.uint8)).save(small, format="PNG")
        yield {
            "label": name,
            "points": [[float(x), float(y)], [float(x + width - 1), float(y + height - 1)]],
            "group_id": None,
            "description": "",
            "shape_type": "mask",
            "flags": {},
            "mask": base64.b64encode(small.getvalue()).decode("ascii"),
        }
