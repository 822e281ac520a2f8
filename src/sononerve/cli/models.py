"""Verbs that tell of models: card, models."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from .options import JsonOption, ModelOption

app = typer.Typer()


@app.command()
def card(model: ModelOption) -> None:
    """Print a model's card: what it is for, what it saw, how it scored, and what it is not."""
    from ..runtime.bundle import CARD, Bundle

    typer.echo(Bundle.open(model).files[CARD].decode())


def _list_installed(as_json: bool) -> None:
    """The models in the box, with the Dice that each had on frames it had not seen."""
    from rich.console import Console
    from rich.table import Table

    from ..runtime.box import list_installed

    rows = list_installed()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
        return
    if not rows:
        typer.echo("this sononerve comes without trained models; 'sononerve train' makes one")
        return
    table = Table("model", "MB", "data", "Dice on held-out frames", caption="more: sononerve card --model NAME")
    for row in rows:
        dice = ", ".join(f"{label} {value:.3f}" for label, value in row.dice.items())
        table.add_row(row.model, f"{row.bytes / 1e6:.0f}", row.data, dice)
    Console(highlight=False).print(table)


@app.command()
def models(
    installed: Annotated[
        bool, typer.Option("--installed", help="Those that come with sononerve, trained: names for --model.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the networks that 'train --model' knows, with what they cost; or the trained models in the box.

    GFLOP is the work for one frame of 256 x 256: 10^9 operations in convolutions and matrix products, where a
    multiplication and an addition are two. Networks whose extra is not installed have no figures; for the extra zoo:
    pip install 'sononerve\\[zoo]'.
    """
    if installed:
        _list_installed(as_json)
        return
    from ..models.cost import list_models

    lines = list_models()
    if as_json:
        rows = [
            {
                "model": line.name,
                "parameters": None if line.cost is None else line.cost.parameters,
                "gflops": None if line.cost is None else round(line.cost.gflops, 3),
                "extra": line.extra,
                "about": line.sentence,
            }
            for line in lines
        ]
        typer.echo(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "parameters", "GFLOP", "extra", "about", caption="GFLOP: for one frame of 256 x 256")
    for column in table.columns[1:3]:
        column.justify = "right"
    for line in lines:
        figures = ("-", "-")
        if line.cost is not None:
            figures = (f"{line.cost.parameters / 1e6:.2f} M", f"{line.cost.gflops:.1f}")
        table.add_row(line.name, *figures, line.extra or "", line.sentence)
    Console(highlight=False).print(table)
