"""The file that Kaggle's Ultrasound Nerve Segmentation takes: ``img,pixels``, a row for each frame called N."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io import rle
from ..io.atomic import check_place, write_text
from ..io.frames import count_frames
from ..io.images import read_labels

CLASS = "nerve"


@dataclass(frozen=True)
class Submission:
    """What will be written: ``frames`` by their numbers in order, and the label value of the nerve."""

    path: Path
    frames: tuple[tuple[int, Path], ...]
    label: int

    @classmethod
    def plan(cls, path: Path, files: Sequence[Path], classes: Sequence[str], replace: bool = False) -> Submission:
        """Look at names and classes before anything is predicted.

        Raises `InputError` where a file is not called by a number or holds several frames, two have one number, the
        model does not know the nerve, or ``path`` cannot be written or is there and not to be replaced.
        """
        check_place(path)
        if path.is_dir() or (path.exists() and not replace):
            raise InputError(f"{path}: is there already; use --overwrite or --resume to replace it, or another name")
        if CLASS not in classes:
            raise InputError(f"--submission: the model knows {', '.join(classes)}; expected the class {CLASS}")
        frames: dict[int, Path] = {}
        for file in files:
            if not (file.stem.isascii() and file.stem.isdecimal() and len(file.stem) < 10):
                raise InputError(f"--submission: {file} is not called by a number; expected names such as 17.tif")
            if _holds_several(file):
                raise InputError(f"--submission: {file} holds several frames; expected one a file")
            twin = frames.setdefault(int(file.stem), file)
            if twin != file:
                raise InputError(f"--submission: {twin} and {file} have one number; keep one of the two")
        return cls(path, tuple(sorted(frames.items())), list(classes).index(CLASS) + 1)

    def write(self, masks: dict[Path, Path]) -> None:
        """Write the file from ``masks``, the label PNG of each frame's file; whole or not at all.

        Pixels are pairs of start and length, counted down the columns from 1; the empty text is no nerve.
        """
        lines = ["img,pixels"]
        lines += [f"{number},{rle.encode(read_labels(masks[file]) == self.label)}" for number, file in self.frames]
        write_text(self.path, "\n".join(lines) + "\n")


def _holds_several(file: Path) -> bool:
    try:
        return count_frames(file) > 1
    except InputError:  # predicting it says why
        return False
