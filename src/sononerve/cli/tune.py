"""The verb tune: what runs a model fastest on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, ModelOption

app = typer.Typer()


@app.command()
def tune(
    model: ModelOption,
    frame: Annotated[
        Path | None, typer.Option("--frame", help="A frame of the size that will be used. Default: 512 x 512.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what runs a model fastest on this machine, and remember it.

    From then on the fastest engine and number of threads are used for this model, wherever --engine is not given. The
    precision stays as it is: it changes the answers. Run it while the machine does nothing else.
    """
    from rich.table import Table

    from ..io.frames import read_frame
    from ..progress import console
    from ..runtime.bundle import Bundle
    from ..runtime.tuning import tune as measure

    bundle = Bundle.open(model)
    console.print("measure, some seconds for each engine and precision")
    timed = measure(bundle, None if frame is None else read_frame(frame))
    if as_json:
        typer.echo(json.dumps([asdict(one.choice) | {"ms": round(one.ms, 3)} for one in timed]))
        return
    table = Table("mode", "engine", "precision", "threads", "ms a frame", "frames a second")
    for one in timed:
        choice = one.choice
        table.add_row(
            choice.mode, choice.engine, choice.precision, str(choice.threads), f"{one.ms:.1f}", f"{1000 / one.ms:.0f}"
        )
    console.print(table)
    typer.echo(f"the fastest way of each precision is remembered; {bundle.config.precision} is used unless told")
