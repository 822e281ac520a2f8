"""Options that several verbs share, and what turns their texts into values."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..io.atomic import check_place

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..evaluate.robustness import Robustness
    from ..evaluate.scores import Scores
    from ..frame import Spacing
    from ..runtime.engine import EngineChoice


class PartName(StrEnum):
    """The parts of a split."""

    fit = "fit"
    tune = "tune"
    test = "test"


class PresetName(StrEnum):
    """How fast a model must answer."""

    realtime = "realtime"
    accurate = "accurate"
    tiny = "tiny"


class DropName(StrEnum):
    """What a training may leave out."""

    nothing = "nothing"
    contradictions = "contradictions"


class PrecisionName(StrEnum):
    """Arithmetic of the training."""

    auto = "auto"
    full = "32"
    bf16 = "bf16"
    half = "16"


class EngineName(StrEnum):
    """What runs a model."""

    openvino = "openvino"
    onnxruntime = "onnxruntime"
    cuda = "cuda"
    tensorrt = "tensorrt"


class ModeName(StrEnum):
    """What a model is run for."""

    latency = "latency"
    throughput = "throughput"


class RunPrecisionName(StrEnum):
    """Arithmetic in which a model runs."""

    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"


WRITABLE_NAMES = ("manifest", "kaggle", "folders", "coco", "labelme", "nnunet", "cvat", "label-studio")
LAYOUT_NAMES = (*WRITABLE_NAMES, "videos")
"""What ``LAYOUTS`` holds, said once more so that --help need not import it; a test holds the two together."""

Data = Annotated[Path, typer.Argument(help="Folder with frames and masks.", metavar="DATA")]
LayoutOption = Annotated[
    str | None, typer.Option("--layout", help=f"{', '.join(LAYOUT_NAMES)}; found by itself where left out.")
]
ClassesOption = Annotated[
    str | None, typer.Option("--classes", help="Names of labels 1, 2, ..., with commas: nerve,vessel.")
]
SubjectOption = Annotated[
    str | None,
    typer.Option(
        "--subject-pattern",
        help="Regular expression whose (group) finds the subject in a file's name: '^images/(P[0-9]+)_'.",
    ),
]
SpacingOption = Annotated[
    str | None,
    typer.Option("--spacing-mm", help="Millimetres per pixel, ROW,COL, of frames whose data do not tell it."),
]
MODEL_HELP = (
    "A run's folder, a bundle's folder or file, or its address, as https://HOST/model.sono#sha256=HEX; or one in the "
    "box, by its name in 'sononerve models --installed'."
)
ModelOption = Annotated[str, typer.Option("--model", help=MODEL_HELP, metavar="MODEL")]
BoxModelOption = Annotated[
    str | None,
    typer.Option("--model", help=f"{MODEL_HELP} Default: realtime, where it is in the box.", metavar="MODEL"),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", help="Cores to use. Default: what 'tune' found, else all.", min=1)
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option(
        "--engine",
        help="What runs the model; the last two on a GPU. Default: what 'tune' found, else OpenVINO where it is.",
    ),
]
RunPrecisionOption = Annotated[
    RunPrecisionName | None,
    typer.Option("--precision", help="Arithmetic to run in. Default: what the model is meant for."),
]
ModeOption = Annotated[
    ModeName,
    typer.Option("--mode", help="All cores on one frame, or each on its own: more frames a second, each later."),
]
SensitivityOption = Annotated[
    float | None,
    typer.Option(
        "--sensitivity",
        help="Look whole only at frames that may hold a nerve: 0.9 lets 9 in 10 with a nerve pass.",
    ),
]
SecondLookOption = Annotated[
    bool, typer.Option("--second-look", help="Look once more, closely, around the box that the network found.")
]
TileOption = Annotated[
    int | None,
    typer.Option("--tile", help="Look at frames with a longer side than so many pixels in tiles of that size."),
]
FlipOption = Annotated[
    bool, typer.Option("--flip", help="Also look at each frame mirrored, and take the mean: twice the time.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]
FromOption = Annotated[
    str | None, typer.Option("--from", help="A file, or an address with https://.", metavar="FILE|ADDRESS")
]
Sha256Option = Annotated[str | None, typer.Option("--sha256", help="What the SHA-256 of that file must be.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def engine_choice(
    engine: EngineName | None,
    precision: RunPrecisionName | None,
    threads: int | None,
    mode: ModeName = ModeName.latency,
) -> EngineChoice:
    """What the options say of where a model runs."""
    from ..runtime.engine import EngineChoice

    return EngineChoice(
        None if engine is None else engine.value, None if precision is None else precision.value, threads, mode.value
    )


def open_data(
    folder: Path,
    layout: str | None,
    classes: str | None,
    subject_pattern: str | None,
    assumed_classes: tuple[str, ...] | None = None,
    spacing_mm: str | None = None,
    faults: list[str] | None = None,
) -> Dataset:
    """Open a data set, showing how far the look at its masks is."""
    from ..data.dataset import load_dataset
    from ..progress import counted

    spacing = spacing_pair(spacing_mm)
    with counted("read masks") as progress:
        return load_dataset(
            folder, layout, class_names(classes), subject_pattern, progress, assumed_classes, spacing, faults
        )


def told_strange(strange: int, frames: int) -> str:
    """What is said of frames that are unlike those of the training."""
    return (
        f"{strange} of {frames} frames are unlike those that the model was trained on (strangeness above 1): what is "
        "outlined there may be nonsense"
    )


def check_file(out: Path, overwrite: bool) -> None:
    """Raise `InputError` where the file ``out`` cannot be written, or is there and may not be replaced."""
    check_place(out)
    if out.is_dir():
        raise InputError(f"{out}: is a folder; expected the name of a file to write")
    if out.exists() and not overwrite:
        raise InputError(f"{out}: is there already; use --overwrite to replace it, or another --out")


def class_names(classes: str | None) -> tuple[str, ...] | None:
    """The names in ``nerve,vessel``; raise `InputError` for empty or repeated ones."""
    if classes is None:
        return None
    names = tuple(name.strip() for name in classes.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise InputError(f"--classes {classes}: expected different names with commas, as nerve,vessel")
    return names


def spacing_pair(text: str | None) -> Spacing | None:
    """The numbers in ``ROW,COL``; raise `InputError` for anything else."""
    if text is None:
        return None
    try:
        row, column = (float(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"--spacing-mm {text}: expected ROW,COL in millimetres per pixel, as 0.08,0.08") from error
    if not (0 < row < 100 and 0 < column < 100):
        raise InputError(f"--spacing-mm {text}: expected two positive numbers below 100")
    return row, column


def seed_numbers(text: str | None) -> tuple[int, ...]:
    """The numbers in ``0,1,2``; none where there is no text; raise `InputError` for anything else."""
    words = [] if text is None else text.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise InputError(f"--seeds {text}: expected numbers of at least 0 with commas, as 0,1,2")
    return tuple(dict.fromkeys(int(word) for word in words))


def tell(scores: Scores, as_json: bool, robustness: Robustness | None = None) -> None:
    """Print scores as tables, or as JSON for programs."""
    from rich.console import Console

    from ..evaluate.report.robustness_table import robustness_table
    from ..evaluate.report.table import table

    if as_json:
        told = asdict(scores) | ({} if robustness is None else {"robustness": asdict(robustness)})
        typer.echo(json.dumps(told, indent=1))
        return
    console = Console(highlight=False)
    console.print(table(scores))
    if robustness is not None:
        console.print(robustness_table(robustness))
