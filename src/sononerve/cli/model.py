"""Verbs that make, score, run and pack a model: train, evaluate, predict, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .options import (
    BoxModelOption,
    ClassesOption,
    Data,
    DropName,
    EngineOption,
    FlipOption,
    JsonOption,
    LayoutOption,
    ModelOption,
    ModeName,
    ModeOption,
    OverwriteOption,
    PartName,
    PrecisionName,
    PresetName,
    RunPrecisionName,
    RunPrecisionOption,
    SecondLookOption,
    SensitivityOption,
    SpacingOption,
    SubjectOption,
    ThreadsOption,
    TileOption,
    check_file,
    class_names,
    engine_choice,
    open_data,
    spacing_pair,
    tell,
    told_strange,
)

app = typer.Typer()


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="New folder for the run; with --resume the old one.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Which network; 'sononerve models' lists them. Default: unet.")
    ] = None,
    preset: Annotated[
        PresetName | None,
        typer.Option(
            "--preset",
            help="How fast the model must answer: realtime (20 ms in int8 on two cores, the default), accurate, tiny.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Begin with the network, canvas and weights of a model, and fit its judge anew: a run, a bundle.",
            metavar="MODEL",
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher",
            help="Learn from what a model answers too, a run or a bundle; repeatable: the mean of several.",
            metavar="MODEL",
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time for the whole command: 90s, 30m, 2h. Default: 30m.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the fit part, instead of a budget.")
    ] = None,
    early_stopping: Annotated[
        int | None,
        typer.Option("--early-stopping", help="Stop after so many rounds (fortieths) without a better tune score."),
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option("--split", help="A file of 'sononerve split'. Default: a new hold-out.")
    ] = None,
    fold: Annotated[int | None, typer.Option("--fold", help="Which fold of the split. Default: 0.")] = None,
    drop: Annotated[
        DropName | None,
        typer.Option("--drop", help="Leave frames to fit out whose masks contradict those of near-duplicates."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Plan the run and stop; --resume trains it, whatever the load then.")
    ] = False,
    size: Annotated[
        int | None, typer.Option("--size", help="Longer side of what the network sees, pixels. Default: planned.")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Frames per step and device. Default: planned.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Largest rate of AdamW.")] = None,
    precision: Annotated[
        PrecisionName | None,
        typer.Option("--precision", help="Arithmetic; auto, the default, takes what is faster here."),
    ] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", help="How many GPUs, or CPU processes. Default: 1.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes that prepare frames; 0: none.")] = None,
    cache: Annotated[
        bool | None,
        typer.Option("--cache/--no-cache", help="Keep prepared frames on disk, or only in memory. Default: --cache."),
    ] = None,
    adversary: Annotated[
        bool,
        typer.Option("--adversary", help="Train against a discriminator too; --set adversary.weight=... says more."),
    ] = False,
    refine: Annotated[
        int | None,
        typer.Option("--refine", help="Put a refiner behind the network, learned with so many inner folds: 2."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation. Default: 0.")] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic", help="The same weights twice, also on a GPU.")
    ] = None,
    tensorboard: Annotated[bool | None, typer.Option("--tensorboard", help="Also log for TensorBoard.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, over every option: --set network.width=16; repeatable."),
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML such as a run's config.yaml; options go before it.")
    ] = None,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    spacing_mm: SpacingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network, and score it on held-out subjects.

    The run's folder gets config.yaml (repeats it), plan.json, split.json, log.csv, bundle/ (the model) and scores.json.
    """
    from ..settings import parse_settings
    from ..train.config import ADVERSARY_WEIGHT, TrainConfig, changed, parse_duration
    from ..train.run import CONFIG, begin
    from ..train.run import train as run_training

    if model is not None and start is not None:
        raise InputError("--model and --from: the network is that of the model that is begun with; leave --model out")
    told: dict[str, object] = {
        "data": {
            "folder": str(data.resolve()),
            "layout": layout,
            "classes": class_names(classes),
            "subject_pattern": subject_pattern,
            "spacing_mm": spacing_pair(spacing_mm),
            "fold": fold,
            "drop": None if drop is None else drop.value,
            "cache": cache,
        },
        "canvas": {"longest": size},
        "adversary": {"weight": ADVERSARY_WEIGHT if adversary else None},
        "refine": {"folds": refine},
        "optimiser": {"learning_rate": learning_rate},
        "teach": {"models": None if teacher is None else [_address(one) for one in teacher]},
        "start": None if start is None else _address(start),
        "preset": None if preset is None else preset.value,
        "model": model,
        "budget_s": None if budget is None else parse_duration(budget),
        "epochs": epochs,
        "patience": early_stopping,
        "batch": batch,
        "precision": None if precision is None else precision.value,
        "devices": devices,
        "workers": workers,
        "seed": seed,
        "deterministic": deterministic,
        "tensorboard": tensorboard,
    }
    base = config_file
    if base is None and resume and (out / CONFIG).is_file():
        base = out / CONFIG
    config = changed(None if base is None else TrainConfig.read(base), told, parse_settings(setting or []))
    if plan_only:
        begin(config, out, split_file, resume)
        typer.echo(f"planned: {out}", err=as_json)
        return
    evaluation = run_training(config, out, split_file, resume)
    tell(evaluation.scores, as_json)
    typer.echo(f"model: {out / 'bundle'}", err=as_json)


def _address(model: str) -> str:
    """Where a model is, whatever folder one is in: on the web, or a whole path."""
    from ..runtime.installed import find

    return model if "://" in model else str(find(model).resolve())


@app.command()
def evaluate(
    data: Data,
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder for scores.json, frames.csv, subjects.csv and index.html.")
    ] = None,
    part: Annotated[
        PartName, typer.Option("--part", help="Of the model's split, where DATA is what it was trained on.")
    ] = PartName.test,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Also score on the frames made worse: eight ways, five severities."),
    ] = False,
    layout: LayoutOption = None,
    classes: ClassesOption = None,
    subject_pattern: SubjectOption = None,
    spacing_mm: SpacingOption = None,
    flip: FlipOption = False,
    sensitivity: SensitivityOption = None,
    second_look: SecondLookOption = False,
    tile: TileOption = None,
    engine: EngineOption = None,
    precision: RunPrecisionOption = None,
    threads: ThreadsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score a model on frames it has not been trained on, with intervals over subjects.

    On the data it was trained on, that is the test part of its split; elsewhere every frame. Nothing is dropped: a miss
    is Dice 0, and a frame without a nerve counts in the false-positive rate.
    """
    from ..evaluate.report.folder import check_free, write_evaluation
    from ..evaluate.robustness import measure_robustness
    from ..evaluate.run import evaluate as score
    from ..process import keep_memory
    from ..progress import counted
    from ..runtime.bundle import Bundle
    from ..runtime.ways import Ways

    keep_memory()
    if out is not None:
        check_free(out, overwrite)
    bundle, choice = Bundle.open(model), engine_choice(engine, precision, threads)
    dataset = open_data(data, layout, classes, subject_pattern, bundle.config.classes, spacing_mm)
    with counted("score") as progress:
        evaluation = score(bundle, dataset, part.value, choice, progress, Ways(flip, sensitivity, second_look, tile))
    curves = None
    if robustness:
        with counted("score worse frames") as progress:
            curves = measure_robustness(evaluation, progress=progress)
    tell(evaluation.scores, as_json, curves)
    if out is not None:
        typer.echo(f"page: {write_evaluation(evaluation, out, overwrite, curves)}", err=as_json)


@app.command()
def predict(
    files: Annotated[
        list[Path], typer.Argument(help="Images, videos, DICOM or NIfTI files, or folders of them.", metavar="FILES...")
    ],
    model: BoxModelOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for masks, overlays/ and measurements.csv.")] = Path(
        "predicted"
    ),
    mask_ending: Annotated[str, typer.Option("--mask-ending", help="Put behind the name of each mask, as _mask.")] = "",
    overlays: Annotated[bool, typer.Option(help="Also draw outlines over the frames.")] = True,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write probabilities, 16-bit PNG per class, 65535 is 1.")
    ] = False,
    flip: FlipOption = False,
    sensitivity: SensitivityOption = None,
    second_look: SecondLookOption = False,
    tile: TileOption = None,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty", help="Also write where an ensemble, or --flip, disagrees: 16-bit PNG, 65535 is 1."
        ),
    ] = False,
    spacing_mm: SpacingOption = None,
    submission_file: Annotated[
        Path | None,
        typer.Option("--submission", help="Also write Kaggle's img,pixels, of frames called N.tif, to this file."),
    ] = None,
    engine: EngineOption = None,
    precision: RunPrecisionOption = None,
    threads: ThreadsOption = None,
    mode: ModeOption = ModeName.latency,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave frames alone that are in the table, with all their pictures.")
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Segment frames: masks as PNG of label values, and a table with area, centroid, box and presence.

    A file of many frames, as a video, gets a folder with a mask per frame.

    A file that cannot be read does not stop the rest; the run then ends with status 1 and a list.
    """
    from ..process import keep_memory
    from ..progress import counted
    from ..runtime.files import MASK, Target, Wanted, list_files, predict_files
    from ..runtime.installed import named_or_usual
    from ..runtime.predictor import Predictor
    from ..runtime.submission import Submission
    from ..runtime.ways import Ways

    keep_memory()
    found = list_files(files)
    choice = engine_choice(engine, precision, threads, mode)
    predictor = Predictor.load(named_or_usual(model), choice, Ways(flip, sensitivity, second_look, tile))
    for warning in predictor.warnings:
        typer.echo(f"sononerve: warning: {warning}", err=True)
    wanted = Wanted(mask_ending, overlays, probabilities, uncertainty)
    submission = None
    if submission_file is not None:
        submission = Submission.plan(submission_file, found, predictor.classes, replace=resume or overwrite)
    with counted("predict") as progress:
        outcome = predict_files(
            predictor,
            found,
            out,
            wanted,
            resume=resume,
            overwrite=overwrite,
            spacing_mm=spacing_pair(spacing_mm),
            progress=progress,
        )
    for message in outcome.failed:
        typer.echo(f"sononerve: {message}", err=True)
    if outcome.strange:
        typer.echo(f"sononerve: warning: {told_strange(outcome.strange, outcome.done)}", err=True)
    if submission is not None and outcome.failed:
        typer.echo(
            f"sononerve: {submission_file}: not written, for it needs every frame; mend them, --resume", err=True
        )
    elif submission is not None:
        submission.write({file: wanted.paths(Target(file), out, predictor.classes)[MASK] for file in found})
    counts = {
        "done": outcome.done,
        "strange": outcome.strange,
        "skipped": outcome.skipped,
        "failed": len(outcome.failed),
    }
    typer.echo(
        json.dumps(counts | {"out": str(out)})
        if as_json
        else f"{outcome.done} predicted, {outcome.skipped} done before, {len(outcome.failed)} failed: {out}"
    )
    if outcome.failed:
        raise typer.Exit(1)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A run's folder or a bundle's folder.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, as model.sono.")],
    precision: Annotated[
        RunPrecisionName,
        typer.Option("--precision", help="Arithmetic that it is meant to run in; refused where it costs Dice."),
    ] = RunPrecisionName.fp32,
    data: Annotated[
        Path | None, typer.Option("--data", help="What it was trained on. Default: where the run found it.")
    ] = None,
    layout: LayoutOption = None,
    subject_pattern: SubjectOption = None,
    slim: Annotated[
        bool, typer.Option("--slim", help="With int8: leave fp32 out, a third of the size; still good for --from.")
    ] = False,
    note: Annotated[
        Path | None,
        typer.Option("--note", help="Markdown for the end of its card: scores elsewhere, known failures."),
    ] = None,
    check: Annotated[bool, typer.Option(help="Check every engine against PyTorch, on frames of the data.")] = True,
    overwrite: OverwriteOption = False,
) -> None:
    """Pack a model into one file, which every --model takes: checked, and in the precision asked for.

    Every engine that is installed must answer as PyTorch does. bf16 and int8 are refused where they cost more than
    0.005 Dice on the tune part; for int8, layers that would hurt stay in fp32. The scores in the file are those of that
    precision.
    """
    from ..io.documents import read_text
    from ..runtime.bundle import Bundle, noted, zip_bundle

    if slim and precision is not RunPrecisionName.int8:
        raise InputError(f"--slim: leaves int8 alone, and {precision.value} is asked for; add --precision int8")
    check_file(out, overwrite)
    told = None if note is None else read_text(note, "Markdown for the card")
    bundle = Bundle.open(model)
    if check:
        from ..train.package import package
        from ..train.report import own_data

        classes = bundle.config.classes
        dataset = own_data(model) if data is None else open_data(data, layout, None, subject_pattern, classes)
        bundle = package(bundle, dataset, precision.value)
    elif precision is not RunPrecisionName.fp32:
        raise InputError(f"--precision {precision.value}: needs the check that tells its cost; leave --no-check out")
    if slim:
        from ..train.package import slim as slimmed

        bundle = slimmed(bundle)
    if told is not None:
        bundle = noted(bundle, told)
    zip_bundle(bundle, out)
    typer.echo(str(out))
