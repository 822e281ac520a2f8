"""nnU-Net raw (version 2): imagesTr/CASE_0000.png, labelsTr/CASE.png and dataset.json; splits_final.json on demand.

Read are the cases of imagesTr, and those of imagesTs whose masks are in labelsTs, of one channel; imagesTs without
labelsTs is left alone. Source of the rules: nnU-Net's documentation/dataset_format.md and manual_data_splits.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ...errors import InputError
from ...frame import Sample
from ...io.atomic import write_text
from ...io.documents import read_json
from ...io.images import SUFFIXES, write_png
from .names import Folds, Names
from .record import Record

FILE, SPLIT = "dataset.json", "splits_final.json"
CHANNEL = "_0000"
ENDING = ".png"
RESERVED = ("background", "ignore")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    channel_names: dict[str, str]
    labels: dict[str, Annotated[int, Field(ge=0, le=254)]]
    file_ending: str


def matches(folder: Path) -> bool:
    """Whether dataset.json stands beside imagesTr and labelsTr."""
    return (folder / FILE).is_file() and all((folder / part).is_dir() for part in ("imagesTr", "labelsTr"))


def read(folder: Path) -> list[Record]:
    """Pair the cases with their masks; raise `InputError` for what is not nnU-Net's, or for one alone."""
    file = folder / FILE
    content = read_json(file, TypeAdapter(_File), "nnU-Net's dataset.json with channel_names, labels and file_ending")
    if len(content.channel_names) != 1:
        raise InputError(f"{file}: {len(content.channel_names)} channels; expected one, the gray frame")
    if content.file_ending not in SUFFIXES:
        raise InputError(f"{file}: file_ending is {content.file_ending!r}; expected one of {', '.join(SUFFIXES)}")
    classes = _classes(file, content.labels)
    records = _cases(folder, "imagesTr", "labelsTr", content.file_ending, classes)
    if (folder / "labelsTs").is_dir():
        records += _cases(folder, "imagesTs", "labelsTs", content.file_ending, classes)
    if not records:
        raise InputError(f"{folder / 'imagesTr'}: holds no case; expected files such as case{CHANNEL}{ENDING}")
    return records


def _classes(file: Path, labels: dict[str, int]) -> tuple[str, ...]:
    names = sorted((value, name) for name, value in labels.items() if value)
    if [value for value, _ in names] != list(range(1, len(names) + 1)) or labels.get("background", 0) != 0 or not names:
        raise InputError(f"{file}: labels are {labels}; expected background 0 and names for 1, 2, ... without a gap")
    return tuple(name for _, name in names)


def _cases(folder: Path, images: str, labels: str, ending: str, classes: tuple[str, ...]) -> list[Record]:
    masks = {path.name: path for path in (folder / labels).glob("*") if path.name.endswith(ending)}
    records = []
    for image in sorted((folder / images).glob("*")):
        found = re.fullmatch(rf"(.+)_(\d{{4}}){re.escape(ending)}", image.name)
        if found is None or image.name.startswith("."):
            continue
        mask = masks.pop(f"{found.group(1)}{ending}", None)
        if mask is None:
            raise InputError(f"{image}: no mask; expected {folder / labels / (found.group(1) + ending)}")
        records.append(Record(f"{images}/{image.name}", image, mask, classes=classes))
    alone = sorted(name for name in masks if not name.startswith("."))
    if alone:
        stem = alone[0].removesuffix(ending)
        raise InputError(f"{masks[alone[0]]}: a mask without an image; expected {images}/{stem}{CHANNEL}{ending}")
    return records


def write(
    samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path, folds: Folds | None = None
) -> Names:
    """Write a raw data set and, of ``folds``, splits_final.json: train is fit, val is tune.

    The test part of a single fold goes to imagesTs and labelsTs, which nnU-Net does not train or plan on. With
    several folds all cases stay in imagesTr, and those of a fold's test part are in neither of its lists.
    """
    for name in classes:
        if name in RESERVED:
            raise InputError(f"the class {name!r}: a word of nnU-Net's own; name it otherwise with --classes")
    held_out = set(folds[0]["test"]) if folds is not None and len(folds) == 1 else set()
    names, training = Names(), 0
    cases: dict[str, str] = {}
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir()
    for name, sample in samples:
        case = cases[name] = names.flat(name, plain=True)
        part = "Ts" if name in held_out else "Tr"
        training += part == "Tr"
        write_png(folder / f"images{part}" / f"{case}{CHANNEL}{ENDING}", sample.frame.pixels)
        if sample.labels is not None:
            write_png(folder / f"labels{part}" / f"{case}{ENDING}", sample.labels)
        names.note(f"images{part}/{case}{CHANNEL}{ENDING}", name, sample.subject)
    content = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0} | {name: label for label, name in enumerate(classes, start=1)},
        "numTraining": training,
        "file_ending": ENDING,
    }
    write_text(folder / FILE, json.dumps(content, indent=1) + "\n")
    if folds is not None:
        lists = [{"train": [cases[n] for n in f["fit"]], "val": [cases[n] for n in f["tune"]]} for f in folds]
        write_text(folder / SPLIT, json.dumps(lists, indent=1) + "\n")
    return names
