"""The command line: it parses and calls, and turns bad input into one sentence and exit status 2."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import InputError, TrainingError
from . import cache, compare, data, ensemble, explain, fetch, model, models, report, tune, video, weights

INTERRUPTED = 130  # typer turns Ctrl-C into this status

app = typer.Typer(
    name="sononerve",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Nerve segmentation in ultrasound: a folder of frames in, a model that can be trusted out.

    [bold]Your own data in four commands[/bold]

      sononerve split FRAMES --out split.json

      sononerve train FRAMES --split split.json --budget 30m --out run

      sononerve evaluate FRAMES --model run --out run/evaluation

      sononerve predict NEW/*.png --model run --out masks

    FRAMES is a folder: images/ beside masks/, a manifest.csv, Kaggle's SUBJECT_N.tif pairs, or what COCO, CVAT,
    Label Studio, LabelMe and nnU-Net use. 'sononerve convert' turns one into another.

    Research only: not a medical device.""",
)
app.add_typer(data.app)
app.add_typer(model.app)
app.add_typer(models.app)
app.add_typer(compare.app)
app.add_typer(explain.app)
app.add_typer(video.app)
app.add_typer(tune.app)
app.add_typer(report.app)
app.add_typer(ensemble.app)
app.add_typer(fetch.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(cache.app, name="cache")


def main() -> None:
    """Run the command line; bad input ends with one sentence and status 2."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        sys.stderr.write(f"sononerve: {error}\n")
        raise SystemExit(2) from None
    except TrainingError as error:
        sys.stderr.write(f"sononerve: {error}\n")
        raise SystemExit(1) from None
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"sononerve: {error.filename}: cannot be read or written ({error.strerror})\n")
        raise SystemExit(2) from None
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            sys.stderr.write("sononerve: stopped; a training goes on with --resume\n")
        raise
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "lightning", "monai", "onnx", "safetensors", "jaxtyping"):
            raise
        sys.stderr.write(f"sononerve: {error.name} is not installed; training needs: pip install 'sononerve[train]'\n")
        raise SystemExit(2) from None


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...
