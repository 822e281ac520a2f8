"""The verb video: clips and cameras, segmented in the order of time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import (
    BoxModelOption,
    EngineOption,
    FlipOption,
    JsonOption,
    OverwriteOption,
    RunPrecisionOption,
    SecondLookOption,
    SensitivityOption,
    SpacingOption,
    ThreadsOption,
    TileOption,
    engine_choice,
    spacing_pair,
    told_strange,
)

if TYPE_CHECKING:
    from ..frame import Spacing
    from ..runtime.predictor import Predictor
    from ..runtime.recording import Kept, Summary
    from ..runtime.smoothing import Smoothing
    from ..runtime.stream import Moment

app = typer.Typer()


class MaskName(StrEnum):
    """How the masks of a clip are kept."""

    video = "video"
    npz = "npz"


@app.command()
def video(
    sources: Annotated[
        list[str], typer.Argument(help="Videos, DICOM or NIfTI files, or the number of a camera.", metavar="SOURCE...")
    ],
    model: BoxModelOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder; each source gets one of its name in it.")] = Path(
        "predicted"
    ),
    smooth: Annotated[
        float, typer.Option("--smooth", help="Seconds until an answer weighs a third; 0: every frame for itself.")
    ] = 0.15,
    motion: Annotated[bool, typer.Option(help="Let what is smoothed move with the tissue, by optical flow.")] = True,
    drawn: Annotated[bool, typer.Option(help="Also write overlay.mp4, with outlines and numbers.")] = True,
    masks: Annotated[
        MaskName | None,
        typer.Option("--masks", help="Also write masks: a lossless video for each class, or arrays by frame."),
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Stop after so many.", min=0.0)] = None,
    spacing_mm: SpacingOption = None,
    flip: FlipOption = False,
    sensitivity: SensitivityOption = None,
    second_look: SecondLookOption = False,
    tile: TileOption = None,
    engine: EngineOption = None,
    precision: RunPrecisionOption = None,
    threads: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Segment clips or a camera, smoothly: a table, a drawn video, and the areas over time.

    Every frame of a file is segmented. A camera's frames are dropped rather than waited for; Ctrl-C ends it, and what
    was recorded is kept. Regions keep their number while they are seen.
    """
    from ..process import keep_memory, one_thread
    from ..runtime.installed import named_or_usual
    from ..runtime.predictor import Predictor
    from ..runtime.recording import Kept, check_free
    from ..runtime.smoothing import Smoothing
    from ..runtime.ways import Ways

    spacing = spacing_pair(spacing_mm)
    folders = _folders(sources, out)
    for folder in folders.values():
        check_free(folder, overwrite)
    if not 0 <= smooth <= 10:
        raise InputError(f"--smooth {smooth}: expected 0 to 10 seconds")
    keep_memory()
    predictor = Predictor.load(
        named_or_usual(model), engine_choice(engine, precision, threads), Ways(flip, sensitivity, second_look, tile)
    )
    for warning in predictor.warnings:
        typer.echo(f"sononerve: warning: {warning}", err=True)
    kept = Kept(drawn, None if masks is None else masks.value)
    told, failed = [], False
    for source, folder in folders.items():
        try:
            with one_thread():  # OpenCV's: the engine's have the cores
                summary = _record(predictor, source, folder, spacing, Smoothing(smooth, motion), seconds, kept)
        except InputError as error:
            typer.echo(f"sononerve: {error}", err=True)
            failed = True
            continue
        told.append(asdict(summary) | {"out": str(folder)})
        if summary.strange:
            typer.echo(f"sononerve: warning: {source}: {told_strange(summary.strange, summary.frames)}", err=True)
        if not as_json:
            typer.echo(_line(summary, folder))
        if summary.fault is not None:
            typer.echo(f"sononerve: {summary.fault}; the {summary.frames} frames before are in {folder}", err=True)
            failed = True
        if summary.interrupted:
            typer.echo(f"sononerve: stopped; what was recorded is in {folder}", err=True)
            failed = failed or not source.isdecimal()  # a camera ends no other way
            break
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    if failed:
        raise typer.Exit(1)


def _folders(sources: list[str], out: Path) -> dict[str, Path]:
    """Where the recording of each source goes; raise `InputError` where two would go to one place."""
    from ..io.frames import stem_of

    folders: dict[str, Path] = {}
    for source in sources:
        folder = out / (f"camera-{source}" if source.isdecimal() else stem_of(Path(source)))
        if folder in folders.values():
            raise InputError(f"{source}: another source would be written to {folder} too; give it its own --out")
        folders[source] = folder
    return folders


def _record(
    predictor: Predictor,
    source: str,
    folder: Path,
    spacing: Spacing | None,
    smoothing: Smoothing,
    seconds: float | None,
    kept: Kept,
) -> Summary:
    from ..evaluate.report.trend_plot import area_over_time
    from ..io.atomic import write_bytes, write_text
    from ..io.stream import open_stream
    from ..progress import counted
    from ..runtime.recording import TABLE, record
    from ..runtime.stream import segment_stream

    stream = open_stream(int(source) if source.isdecimal() else source, spacing)
    moments = _until(segment_stream(predictor, stream, smoothing), seconds)
    with counted(f"segment {stream.name}") as progress:
        summary = record(
            moments,
            folder,
            stream.name,
            predictor.identity,
            stream.fps,
            kept,
            stream.live,
            lambda moment: progress(moment.index + 1, stream.promised or 0),
        )
    ended = seconds is None and not summary.interrupted and summary.fault is None
    if ended and summary.frames < (stream.promised or 0):
        typer.echo(f"sononerve: warning: {source}: ends after {summary.frames} of {stream.promised} frames", err=True)
    plot = area_over_time(folder / TABLE, Path(stream.name).name, predictor.classes)
    if plot is not None:
        write_text(folder / "area.svg", plot.svg)
        write_bytes(folder / "area.png", plot.png)
    return summary


def _until(moments: Iterator[Moment], seconds: float | None) -> Iterator[Moment]:
    for moment in moments:
        if seconds is not None and moment.time_s > seconds:
            return
        yield moment


def _line(summary: Summary, folder: Path) -> str:
    flicker = "" if summary.flicker is None else f", flicker {summary.flicker:.3f}"
    dropped = f", {summary.dropped} dropped" if summary.dropped else ""
    return f"{summary.frames} frames{dropped}, {summary.fps:.1f} a second{flicker}: {folder}"
