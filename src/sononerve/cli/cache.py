"""Verbs about the prepared frames that trainings keep on this machine: list, clear."""

from __future__ import annotations

import json
from datetime import datetime

import typer

from .options import JsonOption

app = typer.Typer(no_args_is_help=True, help="Prepared frames that trainings keep on this machine: list them, clear.")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the files of prepared frames, the least recently used first, and their folder."""
    from ..io.cache import cache_folder, list_cached

    found = list_cached()
    total = sum(cached.size for cached in found)
    if as_json:
        files = [{"path": str(cached.path), "bytes": cached.size, "used_s": cached.used_s} for cached in found]
        typer.echo(json.dumps({"folder": str(cache_folder()), "bytes": total, "files": files}))
        return
    for cached in found:
        used = datetime.fromtimestamp(cached.used_s).astimezone()
        typer.echo(f"{cached.path.name[:12]}  {cached.size / 1e9:7.3f} GB  last used {used:%Y-%m-%d %H:%M}")
    typer.echo(f"{len(found)} files, {total / 1e9:.3f} GB in {cache_folder()}")


@app.command()
def clear(as_json: JsonOption = False) -> None:
    """Remove every file that no training uses now; the next training makes its own again."""
    from ..io.cache import clear_cache

    removed, kept = clear_cache()
    total = sum(cached.size for cached in removed)
    if as_json:
        typer.echo(json.dumps({"removed": len(removed), "bytes": total, "in_use": len(kept)}))
        return
    typer.echo(f"{len(removed)} files removed, {total / 1e9:.3f} GB; {len(kept)} in use and kept")
