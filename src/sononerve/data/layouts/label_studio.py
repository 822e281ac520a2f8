"""Label Studio's JSON export: one file, a list of tasks, whose images lie somewhere below the folder.

Read are results with a brush mask, a polygon or a rectangle. Where a task's image is an address or a path of the
server, only the name of its file counts, with or without the eight letters that Label Studio puts before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ...errors import InputError
from ...frame import Sample
from ...io import brush
from ...io.atomic import write_text
from ...io.documents import begins_like, read_json
from ...io.images import is_image, write_png
from ...io.inside import path_inside
from .drawn import Drawn, Mask, Polygons, Rectangle, Shape, boxes_of, class_names, masks_of
from .facts import Facts
from .names import Names, only_file, refuse_twins
from .record import Record

FILE = "tasks.json"
HEAD = r'\A\s*\[\s*\{.*"(annotations|data)"\s*:\s*[\[{]'
UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
UNNAMED = ("brush", "polygon", "rectangle")  # their classes come in a result of type "labels" with the same id

Percent = Annotated[float, Field(ge=-1000, le=1000)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Value(_Read):
    model_config = ConfigDict(extra="allow")  # the labels stand under the name of the result's type

    rle: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = None
    points: tuple[tuple[Percent, Percent], ...] | None = None
    x: Percent | None = None
    y: Percent | None = None
    width: Percent | None = None
    height: Percent | None = None
    rotation: float | None = None


class _Result(_Read):
    id: str | None = None
    type: str
    value: _Value = _Value()
    original_width: Annotated[int, Field(gt=0)] | None = None
    original_height: Annotated[int, Field(gt=0)] | None = None
    image_rotation: float | None = None


class _Annotation(_Read):
    result: tuple[_Result, ...]
    was_cancelled: bool | None = False
    ground_truth: bool | None = False
    completed_by: int | dict[str, object] | None = None


class _Task(_Read):
    data: dict[str, object]
    annotations: tuple[_Annotation, ...]


@dataclass(frozen=True)
class Stroke:
    """A mask as the brush keeps it."""

    stream: bytes

    def mask(self, size: tuple[int, int]) -> Mask:
        """Where it is not fully transparent."""
        return brush.decode(self.stream, size)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.json") if not p.name.startswith(".") and begins_like(p, HEAD))


def matches(folder: Path) -> bool:
    """Whether there is a JSON file that begins like a list of Label Studio's tasks."""
    return bool(_files(folder))


def read(folder: Path) -> list[Record]:
    """Read the one file; raise `InputError` naming it, and the task, for what cannot be read."""
    file = only_file(_files(folder), folder, "JSON export of Label Studio's")
    tasks = read_json(file, TypeAdapter(tuple[_Task, ...]), "Label Studio's JSON export with data and annotations")
    images: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if is_image(path) and not path.name.startswith("."):
            images.setdefault(path.name, []).append(path)
    records = [_record(folder, f"{file}, task {n}", file, task, images) for n, task in enumerate(tasks, start=1)]
    refuse_twins(records, file)
    return _boxed(records)


def _record(folder: Path, where: str, file: Path, task: _Task, images: dict[str, list[Path]]) -> Record:
    image = _find(folder, where, task.data, images)
    name = image.relative_to(folder).as_posix()
    annotation = _chosen(task, where)
    try:
        known = Facts.model_validate(task.data.get("sononerve") or {}).known()
    except ValidationError as error:
        raise InputError(f"{where}: sononerve: {error.errors()[0]['msg']}; correct it or remove the key") from error
    if annotation is None:
        return Record(name, image, None, **known)
    if known["annotator"] is None:
        known["annotator"] = _annotator(annotation)
    named = {result.id for result in annotation.result if result.type not in UNNAMED} - {None}
    regions = [r for r in annotation.result if _has_region(r) and not (r.type in UNNAMED and r.id in named)]
    sizes = {(r.original_height, r.original_width) for r in regions}
    height, width = sizes.pop() if len(sizes) == 1 else (None, None)
    if regions and (height is None or width is None):
        raise InputError(f"{where}: regions without original_width and original_height, or of several; export it again")
    size = None if height is None or width is None else (height, width)
    shapes = tuple((_label(r, where), _shape(r, size or (0, 0), where)) for r in regions)
    return Record(name, image, Drawn(file, shapes, size), **known)


def _chosen(task: _Task, where: str) -> _Annotation | None:
    """The one annotation that counts; None where there is none."""
    made = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    truth = [annotation for annotation in made if annotation.ground_truth]
    chosen = truth if len(truth) == 1 else made
    if len(chosen) > 1:
        raise InputError(
            f"{where}: {len(chosen)} annotations; expected one: mark one as ground truth, or remove others"
        )
    return chosen[0] if chosen else None


def _annotator(annotation: _Annotation) -> str | None:
    by = annotation.completed_by
    told = by.get("email") or by.get("id") if isinstance(by, dict) else by
    return None if told is None else str(told)


def _boxed(records: list[Record]) -> list[Record]:
    """With the rectangles of the first class as boxes, where there is any and nothing else tells boxes."""
    drawn = [record.mask.shapes for record in records if isinstance(record.mask, Drawn)]
    if not any(isinstance(shape, Rectangle) for shapes in drawn for _, shape in shapes):
        return records
    first = (class_names(records, None) or (None,))[0]
    return [
        replace(record, boxes=boxes_of(record.mask.shapes, first))
        if record.boxes is None and isinstance(record.mask, Drawn)
        else record
        for record in records
    ]


def _find(folder: Path, where: str, data: dict[str, object], images: dict[str, list[Path]]) -> Path:
    told = data.get("image")
    if told is None:
        pictures = [v for v in data.values() if isinstance(v, str) and is_image(Path(_path_of(v)))]
        told = pictures[0] if len(pictures) == 1 else None
    if not isinstance(told, str):
        raise InputError(f"{where}: data has no image; expected its address or path")
    path = _path_of(told)
    if "://" not in told:
        inside = path_inside(folder, path.lstrip("/") if path.startswith("/data/") else path, where)
        if inside.is_file():
            return inside
    name = PurePosixPath(path.replace("\\", "/")).name
    path_inside(folder, name, where)
    uploaded = UPLOADED.fullmatch(name)
    found = images.get(name) or images.get(uploaded.group(1) if uploaded else name) or []
    if len(found) != 1:
        amount = "no file" if not found else f"{len(found)} files"
        raise InputError(f"{where}: {amount} called {name[:200]!r} below {folder}; expected one: put the image there")
    return path_inside(folder, found[0].relative_to(folder).as_posix(), where)  # it may be a link


def _path_of(address: str) -> str:
    """The path within an address; of Label Studio's local files the part that says which."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)


def _has_region(result: _Result) -> bool:
    value = result.value
    return any(part is not None for part in (value.rle, value.points, value.x, value.width))


def _label(result: _Result, where: str) -> str:
    extra = result.value.model_extra or {}
    names = extra.get(result.type)
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str) or not names[0]:
        raise InputError(f"{where}: a region of type {result.type!r} with the labels {names!r}; expected exactly one")
    return names[0]


def _shape(result: _Result, size: tuple[int, int], where: str) -> Shape:
    """A region in pixels; Label Studio tells places in hundredths of the frame's sides."""
    value, (height, width) = result.value, size
    if result.image_rotation or value.rotation:
        raise InputError(f"{where}: a rotated region or image; expected upright ones: draw it as a polygon")
    if value.rle is not None:
        return Stroke(bytes(value.rle))
    if value.points is not None:
        return Polygons((tuple(v for x, y in value.points for v in (x * width / 100, y * height / 100)),))
    if None in (value.x, value.y, value.width, value.height) or result.type not in ("rectanglelabels", "labels"):
        raise InputError(f"{where}: a region of type {result.type!r}; expected a brush, a polygon or a rectangle")
    x, y, across, down = (v or 0.0 for v in (value.x, value.y, value.width, value.height))
    return Rectangle((x * width / 100, y * height / 100, across * width / 100, down * height / 100))


def write(samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path) -> Names:
    """Write images/, tasks.json and classes.txt: a class of a frame is one brush mask.

    The tasks name their images as local files (``/data/local-files/?d=images/...``); a frame without mask gets a task
    without annotations.
    """
    names = Names()
    with (folder / FILE).open("w", encoding="utf-8") as file:
        for number, (name, sample) in enumerate(samples, start=1):
            new = f"images/{names.path(name)}.png"
            write_png(folder / new, sample.frame.pixels)
            data: dict[str, object] = {"image": f"/data/local-files/?d={quote(new)}", "sononerve": {}}
            results = list(_results(sample, classes, number))
            annotations = [] if sample.labels is None else [{"result": results, "was_cancelled": False}]
            task = {"id": number, "annotations": annotations, "data": data | Facts.of(sample).key()}
            file.write(("[" if number == 1 else ",") + "\n" + json.dumps(task))
            names.note(new, name, sample.subject)
        file.write("\n]\n")
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes))
    return names


def _results(sample: Sample, classes: tuple[str, ...], task: int) -> Iterator[dict[str, object]]:
    for label, name, mask in masks_of(sample, classes):
        yield {
            "id": f"{task}-{label}",
            "type": "brushlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": mask.shape[1],
            "original_height": mask.shape[0],
            "image_rotation": 0,
            "value": {"format": "rle", "rle": list(brush.encode(mask)), "brushlabels": [name]},
        }
