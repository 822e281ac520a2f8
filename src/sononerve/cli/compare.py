"""The verb that compares networks and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    ClassesOption,
    Data,
    JsonOption,
    LayoutOption,
    PrecisionName,
    SpacingOption,
    SubjectOption,
    ThreadsOption,
    class_names,
    seed_numbers,
    spacing_pair,
)

app = typer.Typer()


@app.command()
def compare(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="New folder for the comparison; with --resume the old one.")],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            help="What to compare: NAME, LABEL=NAME or LABEL=NAME:setting=value; with commas, and repeatable.",
        ),
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Parts for cross-validation; 1, the default: one hold-out.", min=1)
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="A file of 'sononerve split', whose folds are all used.")
    ] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="Of each training, with commas. Default: 0.")] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time for each training: 90s, 30m, 2h. Default: 30m.")
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Longer side of what the networks see, pixels. Default: planned.")
    ] = None,
    precision: Annotated[
        PrecisionName | None,
        typer.Option("--precision", help="Arithmetic; auto, the default, takes for each what is faster here."),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of a training, for all of them; repeatable.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a comparison that was stopped, or add --models or --seeds.")
    ] = False,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The label that others are held against. Default: the first.")
    ] = None,
    scores: Annotated[
        str,
        typer.Option("--scores", help="What is held against the reference: dice, surface_dice, hd95, outside."),
    ] = "dice",
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Train nothing; compare the runs that are finished.")
    ] = False,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    spacing_mm: SpacingOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train several networks or settings on the same folds, budget and augmentation, and compare their scores.

    The folder gets compare.md (the tables), compare.json, score_against_latency.png, and a small JSON in results/ for
    each training. A training that fails is named, the others go on, and the command ends with status 1.
    """
    from rich.console import Console

    from ..settings import parse_settings
    from ..train.compare.places import RECIPE_FILE
    from ..train.compare.recipe import Recipe
    from ..train.compare.run import compare as run_comparison
    from ..train.compare.tables import terminal
    from ..train.config import changed, parse_duration

    told: dict[str, object] = {
        "data": {
            "folder": str(data.resolve()),
            "layout": layout,
            "classes": class_names(classes),
            "subject_pattern": subject_pattern,
            "spacing_mm": spacing_pair(spacing_mm),
        },
        "canvas": {"longest": size},
        "budget_s": None if budget is None else parse_duration(budget),
        "precision": None if precision is None else precision.value,
    }
    begun = (resume or report_only) and (out / RECIPE_FILE).is_file()
    comparison = run_comparison(
        changed(Recipe.read(out / RECIPE_FILE).base if begun else None, told, {}),
        models or [],
        out,
        folds=folds,
        split_file=split_file,
        seeds=seed_numbers(seeds),
        settings=parse_settings(setting or []),
        reference=reference,
        threads=threads,
        resume=resume,
        report_only=report_only,
        scores=tuple(name.strip() for name in scores.split(",")),
    )
    if as_json:
        typer.echo(comparison.to_json())
    else:
        Console(highlight=False).print(terminal(comparison))
    typer.echo(f"page: {out / 'compare.md'}", err=as_json)
    for failure in comparison.failures:
        typer.echo(f"sononerve: failed: {failure}", err=True)
    if comparison.failures:
        raise typer.Exit(1)
