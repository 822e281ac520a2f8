"""Names of files that stand inside of other files: they never lead out of the data set's folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import InputError

LONGEST_PART, LONGEST = 255, 4000


def path_inside(folder: Path, name: str, where: str, owner: str = "data set") -> Path:
    """The path that ``name`` means below ``folder``; both kinds of slash count.

    Raises `InputError`, beginning with ``where``, for a name that is absolute, has a drive or ``..``, is too long for
    a file or empty, or leads out by a link. The file need not be there.

    >>> path_inside(Path("frames"), "images\\\\a.png", "list.json").as_posix()
    'frames/images/a.png'
    """
    below = PurePosixPath(name.replace("\\", "/"))
    told = repr(name if len(name) < 200 else name[:200] + "...")
    if (
        not below.parts
        or len(name) > LONGEST
        or any(len(part.encode(errors="replace")) > LONGEST_PART for part in below.parts)
    ):
        raise InputError(f"{where}: {told} is no name of a file; expected a path below the {owner}'s folder")
    outside = below.is_absolute() or bool(PureWindowsPath(name).drive) or ".." in below.parts or "\0" in name
    try:
        outside = outside or not (folder / below).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle; characters that no file's name has
        outside = True
    if outside:
        raise InputError(f"{where}: {told} leaves the {owner}'s folder; expected a path below it")
    return folder / below
