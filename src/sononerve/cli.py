"""The command line: it parses and calls, and turns bad input into one sentence and exit status 2."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import __version__
from .errors import InputError

if TYPE_CHECKING:
    from .data.dataset import Dataset
    from .evaluate.scores import Scores
    from .frame import Spacing

app = typer.Typer(
    name="sononerve",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Nerve segmentation in ultrasound: a folder of frames in, a model that can be trusted out.

    [bold]Your own data in four commands[/bold]

      sononerve split FRAMES --out split.json        who is trained on, who is held out

      sononerve train FRAMES --split split.json --budget 30m --out run

      sononerve evaluate FRAMES --model run --out run/evaluation

      sononerve predict NEW/*.png --model run --out masks

    FRAMES is a folder: Kaggle's SUBJECT_N.tif pairs, images/ beside masks/, or a manifest.csv. Research only: not a
    medical device.""",
)


class PartName(StrEnum):
    """The parts of a split."""

    fit = "fit"
    tune = "tune"
    test = "test"


class PrecisionName(StrEnum):
    """Arithmetic of the training."""

    auto = "auto"
    full = "32"
    bf16 = "bf16"
    half = "16"


Data = Annotated[Path, typer.Argument(help="Folder with frames and masks.", metavar="DATA")]
LayoutOption = Annotated[
    str | None, typer.Option("--layout", help="manifest, kaggle or folders; found by itself where left out.")
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
ModelOption = Annotated[Path, typer.Option("--model", help="A run's folder, a bundle's folder or its zip.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Cores to use. [all]", min=1)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def main() -> None:
    """Run the command line; bad input ends with one sentence and status 2."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        sys.stderr.write(f"sononerve: {error}\n")
        raise SystemExit(2) from None
    except RuntimeError as error:
        if type(error).__name__ != "TrainingError":  # named, for importing it would import torch
            raise
        sys.stderr.write(f"sononerve: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("sononerve: stopped\n")
        raise SystemExit(130) from None
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "lightning", "monai", "onnx", "safetensors", "jaxtyping"):
            raise
        sys.stderr.write(f"sononerve: {error.name} is not installed; training needs: pip install 'sononerve[train]'\n")
        raise SystemExit(2) from None


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def _open(folder: Path, layout: str | None, classes: str | None, subject_pattern: str | None) -> Dataset:
    from .data.dataset import load_dataset
    from .progress import counted

    with counted("read masks") as progress:
        return load_dataset(folder, layout, _names(classes), subject_pattern, progress)


def _names(classes: str | None) -> tuple[str, ...] | None:
    if classes is None:
        return None
    names = tuple(name.strip() for name in classes.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise InputError(f"--classes {classes}: expected different names with commas, as nerve,vessel")
    return names


@app.command()
def phantom(
    out: Annotated[Path, typer.Option("--out", help="New folder for images/, masks/ and manifest.csv.")],
    subjects: Annotated[int, typer.Option(help="How many people.")] = 6,
    frames: Annotated[int, typer.Option(help="Frames of each.")] = 12,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 256,
    empty: Annotated[float, typer.Option(help="Share of frames without a nerve, 0 to 1.")] = 0.2,
    vessels: Annotated[bool, typer.Option(help="Label vessels as class 2.")] = True,
    seed: Annotated[int, typer.Option(help="Same seed, same frames.")] = 0,
) -> None:
    """Write synthetic frames with exact masks, to try things on; they are no evidence for anything."""
    from pydantic import ValidationError

    from .data.phantom import PhantomConfig, write
    from .progress import counted

    try:
        config = PhantomConfig(
            subjects=subjects, frames=frames, height=size, width=size, empty=empty, vessels=vessels, seed=seed
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise InputError(f"--{fault['loc'][0]}: {fault['msg']}, found {fault['input']}") from error
    with counted("draw frames") as progress:
        try:
            folder = write(config, out, progress)
        except FileExistsError as error:
            raise InputError(str(error)) from error
    typer.echo(f"{subjects * frames} frames of {subjects} subjects in {folder}")


@app.command()
def split(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="File to write, as split.json.")],
    folds: Annotated[int, typer.Option(help="1: one hold-out; more: cross-validation.", min=1)] = 1,
    test: Annotated[
        float, typer.Option(help="Share held out for the test part (one hold-out).", min=0.01, max=0.9)
    ] = 0.2,
    tune: Annotated[
        float, typer.Option(help="Share of the rest that chooses thresholds and stopping.", min=0.01, max=0.9)
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Same seed, same split.")] = 0,
    leaky_frame_split: Annotated[
        bool, typer.Option("--leaky-frame-split", help="Tear subjects apart. Every score made so is marked as leaking.")
    ] = False,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Divide a data set into fit, tune and test, no subject on two sides, and write it down."""
    from .data.split import split as divide
    from .progress import counted

    if out.exists() and not overwrite:
        raise InputError(f"{out}: is there already; use --overwrite to replace it, or another --out")
    dataset = _open(data, layout, classes, subject_pattern)
    with counted("find duplicates") as progress:
        division = divide(dataset, folds, test, tune, seed, leaky_frame_split, progress)
    division.write(out)
    told = [{part: len(fold.part(part)) for part in ("fit", "tune", "test")} for fold in division.folds]
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "split": str(out),
                    "grouping": division.statement,
                    "groups": len(set(division.groups.values())),
                    "folds": told,
                }
            )
        )
        return
    typer.echo(f"{len(dataset)} frames in {len(set(division.groups.values()))} groups, {division.statement}")
    for number, counts in enumerate(told):
        typer.echo(f"fold {number}: " + ", ".join(f"{count} {part}" for part, count in counts.items()))


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="New folder for the run; with --resume the old one.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Which network; 'sononerve models' lists them. [unet]")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time for the whole command: 90s, 30m, 2h. [30m]")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the fit part, instead of a budget.")
    ] = None,
    early_stopping: Annotated[
        int | None,
        typer.Option("--early-stopping", help="Stop after so many rounds (fortieths) without a better tune Dice."),
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="A file of 'sononerve split'. [a new hold-out]")
    ] = None,
    fold: Annotated[int | None, typer.Option("--fold", help="Which fold of the split. [0]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    size: Annotated[
        int | None, typer.Option("--size", help="Longer side of what the network sees, pixels. [256]")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Frames per step and device. [16]")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Largest rate of AdamW.")] = None,
    precision: Annotated[PrecisionName | None, typer.Option("--precision", help="[auto: what is faster here]")] = None,
    devices: Annotated[int | None, typer.Option("--devices", help="How many GPUs, or CPU processes. [1]")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes that prepare frames; 0: none.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation. [0]")] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic", help="The same weights twice, also on a GPU.")
    ] = None,
    tensorboard: Annotated[bool | None, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Change any other setting: --set network.width=16; repeatable.")
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML such as a run's config.yaml; options go before it.")
    ] = None,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network, and score it on held-out subjects.

    The run's folder gets config.yaml (repeats it), plan.json, split.json, log.csv, bundle/ (the model) and scores.json.
    """
    from .train.config import TrainConfig, changed, parse_duration, parse_settings
    from .train.run import CONFIG
    from .train.run import train as run_training

    told: dict[str, object] = {
        "data": {
            "folder": str(data.resolve()),
            "layout": layout,
            "classes": _names(classes),
            "subject_pattern": subject_pattern,
            "fold": fold,
        },
        "canvas": {"longest": size},
        "optimiser": {"learning_rate": learning_rate},
        "model": model,
        "budget_s": None if budget is None else parse_duration(budget),
        "epochs": epochs,
        "patience": early_stopping,
        "batch": batch,
        "precision": None if precision is None else precision.value,
        "devices": devices,
        "workers": workers,
        "seed": seed,
        "deterministic": deterministic,
        "tensorboard": tensorboard,
    }
    base = out / CONFIG if resume and (out / CONFIG).is_file() else config_file
    config = changed(None if base is None else TrainConfig.read(base), told, parse_settings(setting or []))
    evaluation = run_training(config, out, split_file, resume)
    _tell(evaluation.scores, as_json)
    typer.echo(f"model: {out / 'bundle'}", err=as_json)


@app.command()
def evaluate(
    data: Data,
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder for scores.json, frames.csv, pictures/ and index.html.")
    ] = None,
    part: Annotated[
        PartName, typer.Option("--part", help="Of the model's split, where DATA is what it was trained on.")
    ] = PartName.test,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    threads: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score a model on frames it has not been trained on, with intervals over subjects.

    On the data it was trained on, that is the test part of its split; elsewhere every frame. Nothing is dropped: a miss
    is Dice 0, and a frame without a nerve counts in the false-positive rate.
    """
    from .evaluate.report.folder import check_free, write_evaluation
    from .evaluate.run import evaluate as score
    from .progress import counted
    from .runtime.bundle import Bundle

    if out is not None:
        check_free(out, overwrite)
    bundle = Bundle.open(model)
    dataset = _open(data, layout, classes or ",".join(bundle.config.classes), subject_pattern)
    with counted("score") as progress:
        evaluation = score(bundle, dataset, part.value, threads, progress)
    _tell(evaluation.scores, as_json)
    if out is not None:
        typer.echo(f"page: {write_evaluation(evaluation, out, overwrite)}", err=as_json)


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Images, or folders of images.", metavar="FILES...")],
    model: ModelOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for masks, overlays/ and measurements.csv.")],
    mask_ending: Annotated[str, typer.Option("--mask-ending", help="Put behind the name of each mask, as _mask.")] = "",
    overlays: Annotated[bool, typer.Option(help="Also draw outlines over the frames.")] = True,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write probabilities, 16-bit PNG per class, 65535 is 1.")
    ] = False,
    spacing_mm: Annotated[
        str | None, typer.Option("--spacing-mm", help="Millimetres per pixel, ROW,COL: areas in mm2 as well.")
    ] = None,
    threads: ThreadsOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Leave frames alone that are in the table already.")] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Segment frames: masks as PNG of label values, and a table with area, centroid, box and presence.

    A file that cannot be read does not stop the rest; the run then ends with status 1 and a list.
    """
    from .progress import counted
    from .runtime.files import Wanted, list_images, predict_files
    from .runtime.predictor import Predictor

    images = list_images(files)
    predictor = Predictor.load(model, threads)
    with counted("predict") as progress:
        outcome = predict_files(
            predictor,
            images,
            out,
            Wanted(mask_ending, overlays, probabilities),
            resume=resume,
            overwrite=overwrite,
            spacing_mm=_spacing(spacing_mm),
            progress=progress,
        )
    for message in outcome.failed:
        typer.echo(f"sononerve: {message}", err=True)
    counts = {"done": outcome.done, "skipped": outcome.skipped, "failed": len(outcome.failed)}
    typer.echo(
        json.dumps(counts | {"out": str(out)})
        if as_json
        else f"{outcome.done} predicted, {outcome.skipped} done before, {len(outcome.failed)} failed: {out}"
    )
    if outcome.failed:
        raise typer.Exit(1)


@app.command("show-augment")
def show_augment(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Picture to write.")] = Path("augment.png"),
    frame: Annotated[int, typer.Option("--frame", help="Which frame of the data set, from 0.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Same seed, same variations.")] = 0,
    config_file: Annotated[Path | None, typer.Option("--config", help="A run's config.yaml. [the defaults]")] = None,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Draw what each random variation does to a frame and its mask, with the numbers drawn."""
    from .data.augment import Augment
    from .data.augment.picture import augment_picture
    from .io.atomic import write_bytes

    if out.exists() and not overwrite:
        raise InputError(f"{out}: is there already; use --overwrite to replace it, or another --out")
    augment = Augment()
    if config_file is not None:
        from .train.config import TrainConfig

        augment = TrainConfig.read(config_file).augment
    dataset = _open(data, layout, classes, None)
    if frame >= len(dataset):
        raise InputError(f"--frame {frame}: the data set has {len(dataset)} frames, numbered from 0")
    write_bytes(out, augment_picture(dataset[frame], augment, seed, dataset.records[frame].name))
    typer.echo(str(out))


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List the networks that 'train --model' knows."""
    from .models import MODELS, build

    rows = [
        {"model": name, "parameters": sum(p.numel() for p in build(name, {}, 1).parameters()), "about": known.sentence}
        for name, known in MODELS.items()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['model']:16} {int(str(row['parameters'])) / 1e6:6.2f} M  {row['about']}")


def _tell(scores: Scores, as_json: bool) -> None:
    from rich.console import Console

    from .evaluate.report.table import table

    if as_json:
        typer.echo(scores.to_json())
    else:
        Console(highlight=False).print(table(scores))


def _spacing(text: str | None) -> Spacing | None:
    if text is None:
        return None
    try:
        row, column = (float(word) for word in text.split(","))
    except ValueError as error:
        raise InputError(f"--spacing-mm {text}: expected ROW,COL in millimetres per pixel, as 0.08,0.08") from error
    if not (0 < row < 100 and 0 < column < 100):
        raise InputError(f"--spacing-mm {text}: expected two positive numbers below 100")
    return row, column
