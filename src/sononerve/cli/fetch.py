"""Verbs about public data: data fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import FromOption, JsonOption, Sha256Option

app = typer.Typer(no_args_is_help=True, help="Public data sets.")


@app.callback()
def _group() -> None: ...


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="usgra-seg.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for images/, masks/ and the licence.")],
    source: FromOption = None,
    sha256: Sha256Option = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a public data set from its home at a pinned revision, checked, with its licence."""
    from ..data.fetch import fetch, find_public_set
    from ..progress import counted

    public = find_public_set(name)
    typer.echo(public.attribution, nl=False, err=as_json)
    with counted("download") as progress:
        fetched = fetch(public, out, source, sha256, progress)
    unchecked = fetched.frames - fetched.checked
    if as_json:
        counts = {"frames": fetched.frames, "checked": fetched.checked, "unchecked": unchecked}
        typer.echo(json.dumps({"folder": str(out), **counts, "licence": public.licence, "revision": public.revision}))
        return
    typer.echo(f"{fetched.frames} frames in {out}: {fetched.checked} checked by their SHA-256")
    if unchecked:
        typer.echo(f"{unchecked} frames have no known SHA-256: kept, and not checked")
