"""COCO: one JSON file of images, annotations and categories, at the top or in annotations/.

Read are polygons, run lengths (plain or packed, ``iscrowd`` or not) and, of annotations without either, the box.
Categories in the order of their ids are the labels 1, 2, ...; an image without annotations has an empty mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ...errors import InputError
from ...frame import Sample, measure
from ...io import counts
from ...io.documents import begins_like, read_json
from ...io.images import write_png
from ...io.inside import path_inside
from .drawn import Drawn, Mask, Polygons, Rectangle, Shape, masks_of
from .facts import Coordinate, Facts
from .names import Names, first_file, only_file, refuse_twins
from .record import Box, Record

FILE = "annotations/instances.json"
HEAD = r'\A\s*\{.*"(images|annotations|categories)"\s*:\s*\['
EXPECTED = "COCO's JSON with images, annotations and categories"

Id = int | str
Size = Annotated[int, Field(gt=0, le=1_000_000)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Image(_Read):
    id: Id
    file_name: str
    width: Size
    height: Size
    sononerve: Facts | None = None


class _Runs(_Read):
    size: tuple[Size, Size]
    counts: str | tuple[int, ...]


class _Annotation(_Read):
    image_id: Id
    category_id: int
    segmentation: tuple[tuple[float, ...], ...] | _Runs | None = None
    bbox: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | tuple[()] | None = None


class _Category(_Read):
    id: int
    name: Annotated[str, Field(min_length=1)]


class _File(_Read):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


@dataclass(frozen=True)
class RunShape:
    """Run lengths of a whole frame: COCO's text, or plain counts."""

    size: tuple[int, int]
    counts: str | tuple[int, ...]

    def mask(self, size: tuple[int, int]) -> Mask:
        """Down the columns."""
        if self.size != size:
            raise InputError(
                f"run lengths of {self.size[1]} x {self.size[0]} pixels on a frame of {size[1]} x {size[0]}"
            )
        plain = counts.unpack(self.counts) if isinstance(self.counts, str) else self.counts
        return counts.decode(plain, size, "F")


def _files(folder: Path) -> list[Path]:
    places = [*folder.glob("*.json"), *(folder / "annotations").glob("*.json")]
    return sorted(path for path in places if not path.name.startswith(".") and begins_like(path, HEAD))


def matches(folder: Path) -> bool:
    """Whether there is a JSON file that begins like COCO's."""
    return bool(_files(folder))


def read(folder: Path) -> list[Record]:
    """Read the one file; raise `InputError` naming it, and the entry, for what is not COCO or leaves the folder."""
    file = only_file(_files(folder), folder, "JSON file of COCO's")
    content = read_json(file, TypeAdapter(_File), EXPECTED)
    categories = {category.id: category.name for category in sorted(content.categories, key=lambda c: c.id)}
    if len(set(categories.values())) != len(content.categories):
        raise InputError(f"{file}: two categories have one id or one name; name each once")
    if not content.images:
        raise InputError(f"{file}: lists no images; expected one per frame")
    drawn: dict[Id, list[_Annotation]] = {image.id: [] for image in content.images}
    if len(drawn) != len(content.images):
        raise InputError(f"{file}: two images have one id; give each its own")
    for number, annotation in enumerate(content.annotations):
        if annotation.image_id not in drawn or annotation.category_id not in categories:
            what = "an image" if annotation.image_id not in drawn else "a category"
            raise InputError(f"{file}: annotations.{number} is of {what} that is not listed; export it again")
        drawn[annotation.image_id].append(annotation)
    boxed = any(annotation.bbox for annotation in content.annotations)
    records = [_record(folder, file, image, drawn[image.id], categories, boxed) for image in content.images]
    refuse_twins(records, file)
    return records


def _record(
    folder: Path, file: Path, image: _Image, annotations: list[_Annotation], categories: dict[int, str], boxed: bool
) -> Record:
    shapes = tuple((categories[a.category_id], _shape(a, f"{file}, {image.file_name}")) for a in annotations)
    path = _find(folder, file, image.file_name)
    first = next(iter(categories), None)
    boxes = tuple(_box(a.bbox) for a in annotations if a.bbox and a.category_id == first and min(a.bbox[2:]) > 0)
    known = (image.sononerve or Facts()).known()
    if image.sononerve is None and boxed:
        known["boxes"] = boxes
    return Record(
        name=path.relative_to(folder).as_posix(),
        image=path,
        mask=Drawn(file, shapes, (image.height, image.width)),
        classes=tuple(categories.values()) or None,
        **known,
    )


def _find(folder: Path, file: Path, name: str) -> Path:
    inside = path_inside(folder, name, str(file)).relative_to(folder)
    homes = [Path("images"), Path(), Path("images/default"), file.parent.relative_to(folder)]
    return first_file(path_inside(folder, str(home / inside), str(file)) for home in homes)


def _shape(annotation: _Annotation, where: str) -> Shape:
    drawn = annotation.segmentation
    if isinstance(drawn, _Runs):
        return RunShape(drawn.size, drawn.counts)
    if drawn:
        return Polygons(drawn)
    if annotation.bbox:
        return Rectangle(_box(annotation.bbox))
    raise InputError(f"{where}: an annotation without segmentation and bbox; remove it or draw it")


def _box(numbers: tuple[float, ...]) -> Box:
    x, y, width, height = numbers
    return x, y, width, height


def write(samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path) -> Names:
    """Write images/ and annotations/instances.json: a class of a frame is one annotation, as packed run lengths."""
    names, images, number = Names(), [], 0
    (folder / FILE).parent.mkdir()
    with (folder / FILE).open("w", encoding="utf-8") as file:
        categories = [{"id": label, "name": name, "supercategory": ""} for label, name in enumerate(classes, 1)]
        file.write(f'{{"info": {{"description": "written by sononerve"}}, "categories": {json.dumps(categories)},\n')
        file.write('"annotations": [')
        for place, (name, sample) in enumerate(samples, start=1):
            new = f"{names.path(name)}.png"
            write_png(folder / "images" / new, sample.frame.pixels)
            height, width = sample.frame.shape
            size = {"id": place, "file_name": new, "width": width, "height": height}
            images.append(json.dumps(size | _facts(sample)))
            for annotation in _annotations(sample, classes, place):
                file.write(("" if number == 0 else ",") + "\n" + json.dumps({"id": number + 1} | annotation))
                number += 1
            names.note(f"images/{new}", name, sample.subject)
        file.write('\n],\n"images": [\n' + ",\n".join(images) + "\n]}\n")
    return names


def _facts(sample: Sample) -> dict[str, object]:
    """What is known; at least an empty object, which says that the boxes of annotations are only those of masks."""
    return {"sononerve": {}} | Facts.of(sample).key()


def _annotations(sample: Sample, classes: tuple[str, ...], image: int) -> Iterator[dict[str, object]]:
    for label, name, mask in masks_of(sample, classes):
        measured = measure(mask, name)
        yield {
            "image_id": image,
            "category_id": label,
            "segmentation": {"size": list(mask.shape), "counts": counts.pack(counts.encode(mask, "F"))},
            "area": measured.area_px,
            "bbox": list(measured.box or ()),
            "iscrowd": 0,
        }
