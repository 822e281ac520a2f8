"""Verbs about data: phantom, audit, convert, split, negatives, show-augment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..io.atomic import check_place
from .options import (
    WRITABLE_NAMES,
    ClassesOption,
    Data,
    JsonOption,
    LayoutOption,
    OverwriteOption,
    PartName,
    SubjectOption,
    check_file,
    open_data,
)

app = typer.Typer()

DEFAULT_SIZES = "0.3,0.4,0.5"


@app.command()
def phantom(
    out: Annotated[Path, typer.Option("--out", help="New folder for images/, masks/ and manifest.csv.")],
    layout: Annotated[str, typer.Option("--layout", help=f"What to write: {', '.join(WRITABLE_NAMES)}.")] = "manifest",
    subjects: Annotated[int, typer.Option(help="How many people.")] = 6,
    videos: Annotated[int, typer.Option(help="Videos of each.")] = 1,
    frames: Annotated[int, typer.Option(help="Frames of each video.")] = 12,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 256,
    empty: Annotated[float, typer.Option(help="Share of frames without a nerve, 0 to 1.")] = 0.2,
    vessels: Annotated[bool, typer.Option(help="Label vessels as class 2.")] = True,
    machines: Annotated[int, typer.Option(help="How many different machines; 0: one for each subject.")] = 0,
    video: Annotated[
        bool, typer.Option("--video", help="Frames that follow each other in time, and clips/NAME.mp4 of them too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same frames.")] = 0,
    processes: Annotated[int | None, typer.Option(help="How many draw at once. Default: every core.", min=1)] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any knob, over every option: --set needle.share=1; repeatable.")
    ] = None,
) -> None:
    """Write synthetic frames with exact masks, to try things on; they are no evidence for anything.

    docs/phantom.md shows every knob of --set with a picture.
    """
    from ..data.phantom import configured, write
    from ..progress import counted
    from ..settings import parse_settings

    told: dict[str, object] = {
        "subjects": subjects,
        "videos": videos,
        "frames": frames,
        "height": size,
        "width": size,
        "empty": empty,
        "vessels": vessels,
        "machines": machines,
        "video": video,
        "seed": seed,
    }
    config = configured(told, parse_settings(setting or []))
    check_place(out)
    with counted("draw frames") as progress:
        folder = write(config, out, progress, processes, layout)
    typer.echo(f"{config.total} frames of {config.subjects} subjects in {folder}")


@app.command()
def audit(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="New folder for index.html, with all pairs side by side, and audit.json."),
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="A file of 'sononerve split', searched for duplicates on two sides.")
    ] = None,
    fold: Annotated[int, typer.Option("--fold", help="Which fold of the split.", min=0)] = 0,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for what spoils a training: duplicates, contradictory masks, leaks, odd masks, names in the picture."""
    from rich.console import Console
    from rich.table import Table

    from ..data.audit import audit as look_through
    from ..data.audit.page import write_audit
    from ..data.audit.table import lines
    from ..data.split import Split
    from ..io.atomic import check_new_folder
    from ..progress import counted

    if out is not None:
        check_new_folder(out)
    faults: list[str] = []
    dataset = open_data(data, layout, classes, subject_pattern, faults=faults)
    division = None if split_file is None else Split.read(split_file)
    with counted("look at frames") as progress:
        found = look_through(dataset, division, fold, faults, progress)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        console = Console(highlight=False)
        for warning in found.warnings:
            console.print(f"warning: {warning}", style="yellow", markup=False)
        table = Table("looked at", "found", title=f"Audit of {found.data}", title_justify="left")
        for title, text in lines(found):
            table.add_row(title, text)
        console.print(table)
    if out is not None:
        typer.echo(f"page: {write_audit(found, dataset, out)}", err=as_json)


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
    seed: Annotated[int, typer.Option(help="Same seed, same split.", min=0)] = 0,
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
    from ..data.split import split as divide
    from ..progress import counted

    check_file(out, overwrite)
    dataset = open_data(data, layout, classes, subject_pattern)
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


@app.command("convert")
def convert_(
    data: Data,
    to: Annotated[str, typer.Option("--to", help=f"Layout to write: {', '.join(WRITABLE_NAMES)}.")],
    out: Annotated[Path, typer.Option("--out", help="New folder.")],
    split_file: Annotated[
        Path | None,
        typer.Option("--split", help="A file of 'sononerve split': splits_final.json of nnunet, test/ of kaggle."),
    ] = None,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a data set in another layout, and list what that has no place for.

    Masks are kept exactly, and frames as sononerve reads them: gray, 8 bit. Names that change are listed in names.csv.
    """
    from ..data.convert import convert, losses, target
    from ..data.split import Split
    from ..progress import counted

    division = None if split_file is None else Split.read(split_file)
    chosen = target(to, out, division)
    dataset = open_data(data, layout, classes, subject_pattern)
    with counted("look at frames") as progress:
        lost = losses(dataset, chosen, division, progress)
    if lost:
        told = "; ".join(f"{what} of {count} frame(s)" for what, count in lost.items())
        typer.echo(f"{to} cannot hold: {told}", err=as_json)
    with counted("write frames") as progress:
        names = convert(dataset, chosen, out, division, progress)
    renamed = sum(new != old for new, old, _ in names.given)
    statement = None if division is None else division.statement
    if as_json:
        report = {"out": str(out), "layout": to, "frames": len(dataset), "lost": lost, "renamed": renamed}
        typer.echo(json.dumps(report | {"split": statement}))
        return
    typer.echo(f"{len(dataset)} frames in {out}" + (f", {renamed} renamed (names.csv)" if renamed else ""))
    if statement is not None:
        typer.echo(f"split {statement}")


@app.command()
def negatives(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="New folder for images/, masks/ and manifest.csv.")],
    sizes: Annotated[
        str, typer.Option(help="Sides of the crops as shares of the scan area's, with commas.")
    ] = DEFAULT_SIZES,
    margin: Annotated[
        float, typer.Option(help="How far the nerve stays from a crop's edge, as a share of its sides.")
    ] = 0.02,
    whole: Annotated[float, typer.Option(help="Share of the nerve that a crop with a nerve holds at least.")] = 1.0,
    phantom: Annotated[
        int, typer.Option("--phantom", help="Add as many phantom frames with a nerve, and as many without.", min=0)
    ] = 0,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="A file of 'sononerve split': take frames of one part alone.")
    ] = None,
    fold: Annotated[int, typer.Option("--fold", help="Which fold of the split.", min=0)] = 0,
    part: Annotated[PartName | None, typer.Option("--part", help="Which part of the split.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same crops.", min=0, max=2**32 - 1)] = 0,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Crop frames beside the nerve and around it, as often: for data in which every frame holds a nerve.

    A model trained on them learns when to answer nothing, and 'evaluate' measures its presence and false positives.
    """
    from ..data.negatives import read_config, write_negatives
    from ..data.split import Split
    from ..io.atomic import check_new_folder
    from ..progress import counted

    config = read_config(sizes, margin, whole, seed)
    if (split_file is None) != (part is None):
        raise InputError("--split and --part: expected both or none; the part is fit, tune or test")
    check_new_folder(out)
    dataset = open_data(data, layout, classes, subject_pattern)
    if split_file is not None and part is not None:
        dataset = dataset.select(Split.read(split_file).indices(dataset, fold, part.value))
    with counted("look for room beside the nerve") as progress:
        crops = write_negatives(dataset, out, config, phantom, progress)
    if as_json:
        fates = [{"size": size, **counts} for size, counts in crops.fates.items()]
        typer.echo(json.dumps({"out": str(out), "crops": len(crops.chosen), "phantom": 2 * phantom, "frames": fates}))
        return
    for size, counts in crops.fates.items():
        told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
        typer.echo(f"size {size}: of {len(dataset)} frames {told}")
    added = f" and {2 * phantom} phantom frames" if phantom else ""
    typer.echo(f"{len(crops.chosen)} crops{added} in {out}, half of them without a nerve")


@app.command("show-augment")
def show_augment(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Picture to write.")] = Path("augment.png"),
    frame: Annotated[int, typer.Option("--frame", help="Which frame of the data set, from 0.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Same seed, same variations.", min=0)] = 0,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="A run's config.yaml. Default: the defaults.")
    ] = None,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Draw what each random variation does to a frame and its mask, with the numbers drawn."""
    from ..data.augment import Augment
    from ..data.augment.picture import augment_picture
    from ..io.atomic import write_bytes

    check_file(out, overwrite)
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: expected a name that ends in .png")
    augment = Augment()
    if config_file is not None:
        from ..train.config import TrainConfig

        augment = TrainConfig.read(config_file).augment
    dataset = open_data(data, layout, classes, None)
    if frame >= len(dataset):
        raise InputError(f"--frame {frame}: the data set has {len(dataset)} frames, numbered from 0")
    write_bytes(out, augment_picture(dataset[frame], augment, seed, dataset.records[frame].name))
    typer.echo(str(out))
