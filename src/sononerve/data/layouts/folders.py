"""A folder of images beside a folder of masks, paired by name; subjects are not known."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ...errors import InputError
from ...frame import Sample
from ...io.atomic import write_text
from ...io.images import is_image, write_png
from .names import Names
from .record import Record, sound

IMAGE_FOLDERS = ("images", "image", "imgs", "frames")
MASK_FOLDERS = ("masks", "mask", "labels", "annotations")
MASK_ENDINGS = ("", "_mask", "-mask", "_label", "_seg")


def _folder(folder: Path, names: tuple[str, ...]) -> Path | None:
    there = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}
    return next((there[name] for name in names if name in there), None)


def matches(folder: Path) -> bool:
    """Whether both folders are there."""
    return _folder(folder, IMAGE_FOLDERS) is not None and _folder(folder, MASK_FOLDERS) is not None


def read(folder: Path) -> list[Record]:
    """Pair ``images/NAME.*`` with ``masks/NAME.*`` or ``masks/NAME_mask.*``; raise `InputError` for one alone.

    Sub-folders are opened, and pair with those of their name: ``images/P1/0.png`` with ``masks/P1/0.png``.
    """
    images, masks = _folder(folder, IMAGE_FOLDERS), _folder(folder, MASK_FOLDERS)
    if images is None or masks is None:
        raise InputError(f"{folder}: expected a folder images/ beside a folder masks/")
    frames = _by_name(images)
    if not frames:
        raise InputError(f"{images}: holds no image; expected PNG, JPEG, TIFF or BMP files")
    drawn = _by_name(masks)
    records, faults = [], []
    for name, image in sorted(frames.items()):
        names = [name + ending for ending in MASK_ENDINGS if name + ending in drawn]
        if names:
            records.append(Record(image.relative_to(folder).as_posix(), image, drawn.pop(names[0])))
        else:
            faults.append(f"{image}: no mask; expected {masks / (name + '.png')} (all 0 where there is no nerve)")
    faults += [
        f"{mask}: a mask without an image; expected one of its name in {images}, or remove it"
        for mask in sorted(drawn.values())
    ]
    return sound(records, faults)


def _by_name(folder: Path) -> dict[str, Path]:
    """The images in and below a folder, by path without ending; in one of the two ways to write an accent."""
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and is_image(p)):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts):
            continue
        name = unicodedata.normalize("NFC", below.with_suffix("").as_posix())
        if name in found:
            raise InputError(f"{path}: {found[name].name} has the same name; keep one of the two")
        found[name] = path
    return found


def write(samples: Iterable[tuple[str, Sample]], classes: tuple[str, ...], folder: Path) -> Names:
    """Write images/, masks/ and classes.txt; sub-folders become parts of the names."""
    names = Names()
    for name, sample in samples:
        new = f"{names.flat(name)}.png"
        write_png(folder / "images" / new, sample.frame.pixels)
        if sample.labels is not None:
            write_png(folder / "masks" / new, sample.labels)
        names.note(f"images/{new}", name, sample.subject)
    write_text(folder / "classes.txt", "".join(f"{name}\n" for name in classes))
    return names
