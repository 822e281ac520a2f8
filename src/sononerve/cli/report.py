"""The verb report: one page about one or several models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..io.atomic import check_new_folder
from .options import (
    ClassesOption,
    LayoutOption,
    OverwriteOption,
    PartName,
    SpacingOption,
    SubjectOption,
    check_file,
    open_data,
)

app = typer.Typer()


@app.command()
def report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of trainings or bundles; the first is shown in full.", metavar="RUN..."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, as report.html.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="What to score on. Default: what the first was trained on.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="New folder for every plot as SVG, PNG and CSV, and examples.")
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also score on the frames made worse: eight ways, five severities.")
    ] = False,
    explained: Annotated[
        bool,
        typer.Option(
            "--explain/--no-explain",
            help="Also show gates and saliency of some frames; not of ensembles.",
        ),
    ] = True,
    part: Annotated[
        PartName, typer.Option("--part", help="Of the models' split, where the data is what they were trained on.")
    ] = PartName.test,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    spacing_mm: SpacingOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one page about models: scores, curves, every frame with its errors, and what each number means.

    The page needs nothing beside it and nothing from the network. Several models are compared on the frames that none
    of them has seen.
    """
    from ..runtime.bundle import Bundle
    from ..train.report import report_runs

    check_file(out, overwrite)
    if figures is not None:
        check_new_folder(figures, "--figures")
    if data is None and any(value is not None for value in (layout, classes, subject_pattern, spacing_mm)):
        raise InputError("--layout, --classes, --subject-pattern and --spacing-mm are about --data; give it too")
    dataset = None
    if data is not None:
        known = Bundle.open(runs[0]).config.classes
        dataset = open_data(data, layout, classes, subject_pattern, known, spacing_mm)
    report_runs(
        runs, out, dataset=dataset, part=part.value, figures=figures, robustness=robustness, explained=explained
    )
    typer.echo(f"page: {out}")
