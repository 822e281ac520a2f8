"""The verb that joins models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import OverwriteOption, check_file

app = typer.Typer()


@app.command()
def ensemble(
    models: Annotated[
        list[Path], typer.Argument(help="Two or more: runs' folders, bundles' folders or zips.", metavar="RUN...")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", help="Folder of the new bundle; a name with an ending, as both.sono, is one file."),
    ],
    overwrite: OverwriteOption = False,
) -> None:
    """Join models into one: the mean of their probabilities, and a map of where they disagree.

    They may be of several folds, seeds, networks or sizes, but of the same classes. It takes the time of all of them.
    """
    from ..runtime.bundle import Bundle, check_free, write_bundle, zip_bundle
    from ..train.ensemble import join

    packed = bool(out.suffix)
    (check_file if packed else check_free)(out, overwrite)
    joined = join([Bundle.open(model) for model in models])
    if packed:
        zip_bundle(joined, out)
    else:
        write_bundle(out, joined.files)
    typer.echo(str(out))
