"""The bundle: a model on disk, as a folder or as one zip, checked against its manifest when it is opened."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..errors import InputError
from ..io.atomic import check_place, put_folder, write_bytes
from ..settings import first_fault
from .appearance import Appearance
from .installed import find, installed
from .postprocess import PLAIN, PostProcess

FORMAT = 1
MANIFEST = "manifest.json"
GRAPH, WEIGHTS, CONFIG, SCORES, CARD, SPLIT = (
    "model.onnx",
    "weights.safetensors",
    "config.yaml",
    "scores.json",
    "card.md",
    "split.json",
)
ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
"""Beside the whole graph, the two halves of a network that can filter early."""
NEEDED = (WEIGHTS, CONFIG, SCORES, CARD)
"""Beside the graph, which is there in fp32, in int8, or in both."""
MAX_FILE = 2_000_000_000
MAX_MANIFEST = 1_000_000
MOST_PACKED = 100  # bytes unpacked per byte in a zip; weights and graphs hardly shrink, bombs do
SMALL_NERVE = 0.005  # of a frame; for bundles that do not say how much their nerves cover
Precision = Literal["fp32", "bf16", "int8"]
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]*")


Share = Annotated[float, Field(ge=0, le=1)]


class FileEntry(BaseModel):
    """Size and SHA-256 of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bytes: int = Field(ge=0, le=MAX_FILE)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """``manifest.json``: the bundle's format and what each of its files must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1]
    files: dict[str, FileEntry]


class Member(BaseModel):
    """Another model that is in this one: of an ensemble, or one that its training began with or learned from.

    ``name``: what its run was called. ``identity``: that of its bundle. ``split``: the file of this bundle with the
    split of which it left out ``fold``; there is none where it did not say what it was trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    identity: str
    fold: int = Field(ge=0)
    split: str


class RuntimeConfig(BaseModel):
    """What running a bundle needs of its ``config.yaml``; the rest there is for training it again.

    ``postprocess``: how labels are made of probabilities. ``appearance``: what the frames that it was fitted to look
    like; None where that is not known. ``nerve_share``: how much of a frame the nerve covers, in the
    median of the frames it was fitted to that hold one. ``members``: of an ensemble. ``starts``: the models that its
    training began with or learned from, and those before them. ``tune_presences``: for each group
    of the tune part what the network says of its frames that hold a nerve; the early filter's threshold comes from
    them. ``close_up``: how many times its box a nerve's surroundings were in the close-ups that it was trained on; 0
    without. ``precision``: in which it is meant to run. ``dice_lost``: what each precision beside fp32 cost on the tune
    part when it was made.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    classes: tuple[str, ...] = Field(min_length=1)
    postprocess: PostProcess = PLAIN
    appearance: Appearance | None = None
    nerve_share: float = Field(default=SMALL_NERVE, gt=0, le=1)
    fold: int = Field(default=0, ge=0)
    members: tuple[Member, ...] = ()
    starts: tuple[Member, ...] = ()
    tune_presences: tuple[Annotated[tuple[Share, ...], Field(min_length=1)], ...] = ()
    close_up: float = Field(default=0.0, ge=0)
    precision: Precision = "fp32"
    dice_lost: dict[Precision, float] = {}

    @field_validator("classes")
    @classmethod
    def _different(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("two classes have one name")
        return classes


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: every file has been checked. ``source``: where it is, for messages."""

    source: Path
    files: Mapping[str, bytes]
    config: RuntimeConfig

    @cached_property
    def identity(self) -> str:
        """Twelve hexadecimal digits that tell what it computes: of its graph and configuration."""
        graph = self.files[GRAPH] if GRAPH in self.files else self.files[in_precision(GRAPH, "int8")]
        return hashlib.sha256(graph + self.files[CONFIG]).hexdigest()[:12]

    def holds(self, graph: str) -> bool:
        """Whether it has that graph, in fp32 or in int8."""
        return graph in self.files or in_precision(graph, "int8") in self.files

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Open a bundle's folder, its zip, or a run's folder; raise `InputError` where one is missing or changed.

        The name of a model in the box stands for it, where nothing of that name lies here. A text may also be the
        address of one on the web, as `sononerve.runtime.fetched.fetch_bundle` takes it.
        """
        if isinstance(path, str) and "://" in path:
            from .fetched import fetch_bundle  # what speaks to the web takes a while to import

            path = fetch_bundle(path)
        path = find(path)
        inner = path / "bundle"
        if (inner / MANIFEST).is_file():
            path = inner
        if path.is_dir():
            files = _from_folder(path)
        elif path.is_file():
            files = _from_zip(path)
        else:
            box = f", or {' or '.join(installed())}" if installed() else ""
            raise InputError(f"{path}: no such bundle; expected a run's folder, a bundle's folder or its zip{box}")
        return cls(path, files, _config(path, files[CONFIG]))


def told_name(bundle: Bundle) -> str:
    """What a bundle is called where it is passed on: its run's folder or its file, without the way there."""
    source = bundle.source.resolve()
    return source.parent.name if source.name == "bundle" else source.name


def in_precision(graph: str, precision: Precision) -> str:
    """The file that holds a graph in a precision: only int8 needs one of its own."""
    path = PurePath(graph)
    return f"{path.stem}.int8{path.suffix}" if precision == "int8" else graph


def lacking(files: Iterable[str]) -> list[str]:
    """What a bundle of these files lacks, by name."""
    there = set(files)
    graph = [] if there & {GRAPH, in_precision(GRAPH, "int8")} else [GRAPH]
    return graph + sorted(set(NEEDED) - there)


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise `InputError` where no bundle could be written to ``folder``; only a bundle is replaced, if at all."""
    check_place(folder)
    if not folder.exists():
        return
    if not overwrite:
        raise InputError(f"{folder}: is there already; use --overwrite to replace it, or another --out")
    if folder.is_symlink() or not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: is not a bundle's folder and is not replaced; use another --out")


def write_bundle(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle's files and their manifest to ``folder``, replacing the bundle there: whole or not at all."""
    missing = lacking(files)
    if missing:
        raise ValueError(f"a bundle needs {', '.join(missing)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in files.items():
            write_bytes(building / name, content)
        write_bytes(building / MANIFEST, _manifest(files))
        building.chmod(0o755)
        put_folder(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def zip_bundle(bundle: Bundle, path: Path) -> None:
    """Write the bundle as one zip file, whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in bundle.files.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, _manifest(bundle.files))
    write_bytes(path, buffer.getvalue())


def noted(bundle: Bundle, note: str) -> Bundle:
    """The bundle with this Markdown at the end of its card; it computes the same."""
    card = f"{bundle.files[CARD].decode().rstrip()}\n\n{note.strip()}\n"
    return replace(bundle, files={**bundle.files, CARD: card.encode()})


def _manifest(files: Mapping[str, bytes]) -> bytes:
    entries = {n: FileEntry(bytes=len(c), sha256=hashlib.sha256(c).hexdigest()) for n, c in files.items()}
    return (Manifest(format=FORMAT, files=entries).model_dump_json(indent=1) + "\n").encode()


def _from_folder(folder: Path) -> dict[str, bytes]:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: holds no {MANIFEST}; expected a bundle, or a run whose training has ended")
    if path.stat().st_size > MAX_MANIFEST:
        raise InputError(f"{path}: {path.stat().st_size} bytes; expected at most {MAX_MANIFEST}")
    manifest = _read_manifest(path, path.read_bytes())
    files = {}
    for name in manifest.files:
        file = folder / name
        if file.is_symlink() or not file.is_file() or file.stat().st_size != manifest.files[name].bytes:
            raise InputError(f"{file}: missing or of another size than {MANIFEST} says; copy the bundle again")
        files[name] = file.read_bytes()
    _check(folder, manifest, files)
    return files


def _from_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            if MANIFEST not in infos:
                raise InputError(f"{path}: a zip without {MANIFEST}; expected a bundle")
            if infos[MANIFEST].file_size > MAX_MANIFEST:
                raise InputError(f"{path}: {MANIFEST} is larger than {MAX_MANIFEST} bytes; expected a bundle's")
            manifest = _read_manifest(path, archive.read(MANIFEST))
            for name, entry in manifest.files.items():
                info = infos.get(name)
                if info is None or info.file_size != entry.bytes:
                    raise InputError(
                        f"{path}: {name} is missing or of another size than {MANIFEST} says; copy it again"
                    )
                if info.file_size > MOST_PACKED * info.compress_size + MAX_MANIFEST:
                    raise InputError(f"{path}: {name} would unpack to {info.file_size} bytes; not unpacked")
            files = {name: archive.read(name) for name in manifest.files}
    except InputError:
        raise
    except Exception as error:  # zipfile and its decompressors raise whatever a damaged file makes them raise
        raise InputError(f"{path}: not a bundle ({error}); expected a folder or zip with {MANIFEST}") from error
    _check(path, manifest, files)
    return files


def _read_manifest(path: Path, content: bytes) -> Manifest:
    try:
        found = json.loads(content)
        version = found.get("format") if isinstance(found, dict) else None
        if version != FORMAT:
            raise InputError(
                f"{path}: bundle format {version!r}; this sononerve reads format {FORMAT}: update it, or export anew"
            )
        manifest = Manifest.model_validate(found)
    except (ValidationError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a bundle's manifest ({str(error).splitlines()[0]})") from error
    for name in manifest.files:
        if PLAIN_NAME.fullmatch(name) is None:
            raise InputError(f"{path}: lists {name!r}; expected plain file names")
    if sum(entry.bytes for entry in manifest.files.values()) > MAX_FILE:
        raise InputError(f"{path}: lists more than {MAX_FILE} bytes; expected a bundle")
    missing = lacking(manifest.files)
    if missing:
        raise InputError(f"{path}: lists no {missing[0]}; the bundle is not whole: export it again")
    return manifest


def _check(source: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    for name, entry in manifest.files.items():
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise InputError(
                f"{source}: {name} was changed since it was written (SHA-256 differs); copy the bundle again"
            )


def _config(source: Path, content: bytes) -> RuntimeConfig:
    try:
        return RuntimeConfig.model_validate(yaml.safe_load(content))
    except yaml.YAMLError as error:
        raise InputError(f"{source}: {CONFIG} is not what it should be ({str(error).splitlines()[0]})") from error
    except ValidationError as error:
        raise InputError(f"{source}: {CONFIG} is not what it should be ({first_fault(error, {})})") from error
