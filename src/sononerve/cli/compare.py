"""The verb that compares networks and settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    ClassesOption,
    Data,
    LayoutOption,
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
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of a training, for all of them; repeatable.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a comparison that was stopped, or add --models or --seeds.")
    ] = False,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    spacing_mm: SpacingOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Train several networks or settings on the same folds, budget and augmentation, and compare their scores."""
    from ..settings import parse_settings
    from ..train.compare.recipe import Recipe
    from ..train.compare.run import RECIPE
    from ..train.compare.run import compare as run_comparison
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
    }
    base = Recipe.read(out / RECIPE).base if resume and (out / RECIPE).is_file() else None
    failures = run_comparison(
        changed(base, told, {}),
        models or [],
        out,
        folds=folds,
        split_file=split_file,
        seeds=seed_numbers(seeds),
        settings=parse_settings(setting or []),
        threads=threads,
        resume=resume,
    )
    if failures:
        raise typer.Exit(1)
