"""Fetch a public data set from its home at a pinned revision, with its licence, checked frame by frame."""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io.atomic import blamed_on, check_place
from ..io.download import check_sha256, download, is_address, shown
from ..io.images import frame_hash, read_labels

MOST_ARCHIVE = 2_000_000_000
MOST_FILE = 50_000_000
MOST_FILES = 10_000
TEST = "published_test.txt"


@dataclass(frozen=True)
class PublicSet:
    """A public data set: where it is, whose it is, and what its frames are known to be.

    ``address`` is a zip of the pinned ``revision``. ``member`` finds a frame or mask in it: its groups are whether it
    is of the published test part, ``images`` or ``masks``, and the number. ``hashes`` is a table beside this file with
    the SHA-256 of a frame's pixels (`frame_hash`) and of its mask's labels (`labels_hash`).
    """

    title: str
    author: str
    home: str
    revision: str
    address: str
    member: re.Pattern[str]
    licence: str
    licence_address: str
    classes: tuple[str, ...]
    hashes: str

    @property
    def attribution(self) -> str:
        """What the licence asks to be said wherever the data, or what is made from it, goes."""
        return (
            f"{self.title}, by {self.author}\n{self.home}, revision {self.revision}\n"
            f"Licence of the data: {self.licence}, {self.licence_address}\n"
            "Whoever passes on the data, or what is made from it, names the author, the source and the licence.\n"
        )


# The revision is the one under which a public index of GitHub's repositories lists every frame of the set. The hashes
# were made from a copy of 185 of its 244 frames; nobody has held that copy against the revision itself, so pixels are
# compared and not bytes. The other 59 frames have no hash: they are kept, counted and told.
PUBLIC_SETS = {
    "usgra-seg": PublicSet(
        title="usgra-seg: nerves and vessels in ultrasound-guided regional anaesthesia",
        author="Timm Kandaouroff",
        home="https://github.com/tmkand/usgra-seg",
        revision="b7429be38521a4b585e36ad6fd06983c63de9f83",
        address="https://github.com/tmkand/usgra-seg/archive/b7429be38521a4b585e36ad6fd06983c63de9f83.zip",
        member=re.compile(r"usgra-seg[\w-]*/dataset/(test/)?(images|masks)/(\d{4})\.png"),
        licence="CC BY 4.0",
        licence_address="https://creativecommons.org/licenses/by/4.0/",
        classes=("nerve", "vessel"),
        hashes="usgra_seg.csv",
    )
}


@dataclass(frozen=True)
class Fetched:
    """What was fetched: the folder, how many frames, and of how many of them the SHA-256 was known and is right."""

    folder: Path
    frames: int
    checked: int


def find_public_set(name: str) -> PublicSet:
    """The public set of this name; raises `InputError` with the known names."""
    if name not in PUBLIC_SETS:
        raise InputError(f"{name}: no such public data set; known are {', '.join(PUBLIC_SETS)}")
    return PUBLIC_SETS[name]


def fetch(
    public: PublicSet,
    out: Path,
    source: str | None = None,
    sha256: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Fetched:
    """Write a public set to the new folder ``out``: ``images/``, ``masks/``, ``classes.txt`` and ``LICENCE.txt``.

    The published test part is put beside the other frames and named in ``published_test.txt``. ``source`` is another
    place of the same archive, a file or an address, and ``sha256`` what that archive's must be. Raises `InputError`
    where a frame differs from what is known of it or is missing; ``out`` is then not made.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not an empty folder; name a new one with --out, or remove it")
    check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    # built beside the folder: a rename is whole only within one file system
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        archive, told = _archive(public, source, sha256, Path(scratch) / "download.zip", progress)
        built = Path(scratch) / "set"
        test = _unpack(archive, told, public, built)
        frames, checked = _check(built, told, public)
        (built / "classes.txt").write_text("".join(f"{name}\n" for name in public.classes), encoding="utf-8")
        (built / TEST).write_text("".join(f"{number}.png\n" for number in test), encoding="utf-8")
        changes = f"Changed here: the published test part stands beside the other frames; {TEST} names it.\n"
        (built / "LICENCE.txt").write_text(public.attribution + changes, encoding="utf-8")
        if out.exists():
            out.rmdir()
        built.rename(out)
    return Fetched(out, frames, checked)


def labels_hash(path: Path) -> str:
    """SHA-256 of a mask's size and label values."""
    labels = read_labels(path)
    return hashlib.sha256(f"{labels.shape[0]} {labels.shape[1]} ".encode() + labels.tobytes()).hexdigest()


def _archive(
    public: PublicSet,
    source: str | None,
    sha256: str | None,
    target: Path,
    progress: Callable[[int, int], None] | None,
) -> tuple[Path, str]:
    """The archive's file, and what to call it in messages."""
    if source is not None and not is_address(source):
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected the archive of {public.address}")
        with path.open("rb") as file:
            check_sha256(source, hashlib.file_digest(file, "sha256").hexdigest(), sha256)
        return path, source
    address = source or public.address
    download(address, target, sha256, MOST_ARCHIVE, progress)
    return target, shown(address)


def _unpack(path: Path, told: str, public: PublicSet, folder: Path) -> list[str]:
    """Write the archive's frames and masks under their numbers; return the numbers of the published test part."""
    test = set()
    for of_test, part, number, content in _members(path, told, public):
        file = folder / part / f"{number}.png"
        if file.exists():
            raise InputError(f"{told}: {part}/{number}.png is in it twice; expected the archive of {public.address}")
        file.parent.mkdir(parents=True, exist_ok=True)
        with blamed_on(file):
            file.write_bytes(content)
        if of_test:
            test.add(number)
    return sorted(test)


def _members(path: Path, told: str, public: PublicSet) -> Iterator[tuple[bool, str, str, bytes]]:
    """Every frame and mask in the archive: whether it is of the test part, ``images`` or ``masks``, number, bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [(info, match) for info in archive.infolist() if (match := public.member.fullmatch(info.filename))]
            if len(found) > MOST_FILES or any(info.file_size > MOST_FILE for info, _ in found):
                raise ValueError(f"expected at most {MOST_FILES} files of at most {MOST_FILE} bytes")
            if sum(info.file_size for info, _ in found) > MOST_ARCHIVE:
                raise ValueError(f"would unpack to more than {MOST_ARCHIVE} bytes")
            for info, match in found:
                yield match[1] is not None, match[2], match[3], archive.read(info)
    except Exception as error:  # zipfile and its decompressors raise whatever a damaged file makes them raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{told}: cannot be unpacked ({reason}); fetch it again") from error


def _check(folder: Path, told: str, public: PublicSet) -> tuple[int, int]:
    """How many frames there are, and how many are known and right; raises `InputError` for a wrong or missing one."""
    images, masks = ({path.name for path in (folder / part).glob("*.png")} for part in ("images", "masks"))
    table = (Path(__file__).parent / public.hashes).read_text(encoding="utf-8").splitlines()
    known = {row["frame"]: (row["image_sha256"], row["mask_sha256"]) for row in csv.DictReader(table)}
    missing = sorted((images ^ masks) | (known.keys() - images))
    if missing or not images:
        what = f"{missing[0]} or its mask is missing" if missing else "holds none of its frames"
        raise InputError(f"{told}: {what}; expected the archive of {public.address}")
    for name in sorted(images):
        try:
            found = frame_hash(folder / "images" / name), labels_hash(folder / "masks" / name)
        except InputError as error:
            raise InputError(f"{told}: {str(error).replace(f'{folder}/', '')}") from error
        if name in known and found != known[name]:
            part = "image" if found[0] != known[name][0] else "mask"
            raise InputError(
                f"{told}: the {part} {name} is not the known one (SHA-256 of its pixels); expected the archive of "
                f"{public.address}"
            )
    return len(images), len(known)
