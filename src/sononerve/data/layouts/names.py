"""The names that frames get when they are written, all different, and the table that leads back to the old ones."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import InputError
from .record import Record

Folds = Sequence[Mapping[str, Sequence[str]]]
"""The parts fit, tune and test of each fold of a split: names of frames."""

TABLE = "names.csv"
IMAGE_FOLDERS = ("images", "image", "imgs", "frames", "train", "imagesTr", "imagesTs")
ODD = '<>:"|?*'  # what some system has in no name of a file


@dataclass
class Names:
    """Hands out new names; ``given`` has a row for each frame: its new name, its old one, its subject."""

    given: list[tuple[str, str, str | None]] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def path(self, name: str) -> PurePosixPath:
        """A path for a frame called ``name``, without ending and without the folder of images that it begins with.

        No two differ in capitals alone.
        """
        return self._free(_cleaned(name))

    def flat(self, name: str, plain: bool = False) -> str:
        """The same without folders; ``plain``: of the letters A to Z, digits, ``-`` and ``_`` alone."""
        joined = "_".join(_cleaned(name).parts)
        return str(self._free(PurePosixPath(re.sub(r"[^A-Za-z0-9_-]+", "_", joined) if plain else joined)))

    def note(self, new: str, old: str, subject: str | None) -> None:
        """Remember what a frame is called now, below the data set's folder."""
        self.given.append((new, old, subject))

    def write(self, folder: Path) -> None:
        """Write the table, where any frame has another name than before."""
        if all(new == old for new, old, _ in self.given):
            return
        with (folder / TABLE).open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            table = csv.writer(file)
            table.writerow(["name", "original", "subject"])
            table.writerows((new, old, subject or "") for new, old, subject in self.given)

    def _free(self, path: PurePosixPath) -> PurePosixPath:
        free, number = path, 1
        while str(free).casefold() in self._taken:
            number += 1
            free = path.with_name(f"{path.name}_{number}")
        self._taken.add(str(free).casefold())
        return free


def _cleaned(name: str) -> PurePosixPath:
    plain = "".join(c if c.isprintable() and c not in ODD else "_" for c in name.replace("\\", "/"))
    parts = [part.strip(" .") or "_" for part in plain.split("/")]
    last = PurePosixPath(parts[-1]).stem
    if parts[0] in ("imagesTr", "imagesTs"):
        last = last.removesuffix("_0000")  # nnU-Net's channel
    return PurePosixPath(*(parts[1:-1] if parts[0] in IMAGE_FOLDERS else parts[:-1]), last)


def refuse_twins(records: Iterable[Record], where: Path) -> None:
    """Raise `InputError` where a frame is listed twice."""
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            raise InputError(f"{where}: {record.name} is listed twice; keep one entry")
        seen.add(record.name)


def only_file(found: Sequence[Path], folder: Path, kind: str) -> Path:
    """The one file that describes the frames of ``folder``; raise `InputError` where there are none or several."""
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise InputError(f"{folder}: expected one {kind}, found {names}; give each a folder of its own")
    return found[0]


def first_file(candidates: Iterable[Path]) -> Path:
    """The first of the paths that is a file, or the first of all where none is."""
    paths = list(candidates)
    return next((path for path in paths if path.is_file()), paths[0])
