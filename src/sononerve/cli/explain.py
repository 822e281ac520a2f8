"""The verb explain: what a network looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import ModelOption

app = typer.Typer()


@app.command()
def explain(
    files: Annotated[
        list[Path], typer.Argument(help="Images of one frame each, or folders of them.", metavar="IMAGE...")
    ],
    model: ModelOption,
    out: Annotated[Path, typer.Option("--out", help="New folder for a figure per image, maps/ and explain.json.")],
) -> None:
    """Show what a network looked at: probability, uncertainty, attention gates and saliency over the frame.

    Every map is also a 16-bit PNG in maps/; explain.json says how each was made and what 65535 is. Needs PyTorch.
    """
    from ..progress import counted
    from ..runtime.bundle import Bundle
    from ..runtime.files import list_files
    from ..train.explain_files import explain_files

    found = list_files(files)
    with counted("explain") as progress:
        explain_files(Bundle.open(model), found, out, progress)
    typer.echo(f"{len(found)} explained: {out}")
