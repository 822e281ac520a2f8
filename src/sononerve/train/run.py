"""A whole training, told top-down: data, split, plan, model, fit, bundle, evaluation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from math import ceil
from pathlib import Path

import torch

from ..data.canvases import Canvases, Joined, open_canvases
from ..data.dataset import Dataset, load_dataset
from ..data.module import PlainFrames, VariedFrames, collate
from ..data.split import Split, split
from ..errors import InputError
from ..evaluate.run import Evaluation, evaluate
from ..io.atomic import check_folder, write_text
from ..models import build
from ..models.unet import UNet
from ..process import keep_memory
from ..progress import console, counted
from ..runtime.bundle import CARD, SCORES, Bundle, RuntimeConfig, write_bundle
from ..runtime.postprocess import PLAIN, PostProcess
from .adversarial import build_adversary
from .appearance import learn_appearance
from .begun import Begun, learn
from .calibrate import calibrate, frames_looked_at
from .callbacks import BEST, LAST, LOG
from .card import card
from .config import TrainConfig
from .crops import Drawn, draw
from .drop import DROPPED, dropped_frames, read_dropped, write_dropped
from .export import bundle_files, configured
from .judge import EMPTY, LOOKS, MOST_LOOKS, check_judged, fit_judge, look_s, looks_within
from .log import training_seconds
from .machine import find_accelerator
from .pace import PaceError, PaceWatch
from .plan import Plan, make_plan, whole_rounds
from .postprocess import choose_postprocess
from .postprocess import frames_looked_at as frames_chosen_on
from .presets import PRESETS
from .pretrained import check_pretrained, load_pretrained
from .refine import learn_refined
from .setup import Setup, set_up
from .start import load_start, open_start, started, warn_of_seen
from .teach import build_teacher, open_teachers, with_canvas_of

CONFIG, SPLIT, PLAN, BUNDLE = "config.yaml", "split.json", "plan.json", "bundle"
EXPORT_S = 15.0
FEW_PASSES = 30  # on usgra-seg a U-Net that began with nothing found hardly a nerve before
SCORING_S = 0.25  # per frame of the test part
CALIBRATING_S = 0.1  # per frame of the tune part that is looked at
CHOOSING_S = 0.25  # per frame of the tune part that the post-processing is chosen on
KNOWING_S = 0.01  # per frame of the data set, which is read once more to know the test part by its pixels


def train(config: TrainConfig, out: Path | str, split_file: Path | None = None, resume: bool = False) -> Evaluation:
    """Train as ``config`` says into the new folder ``out``, and score the result on the test part.

    With ``resume`` a run that was stopped, or only begun, goes on, to the weights it would have had. ``out/bundle`` is
    the model. Raises `InputError` for bad data or a folder that is there, `TrainingError` where training cannot go on.

    >>> train(TrainConfig(data=DataConfig(folder="frames"), budget_s=1800), "run")  # doctest: +SKIP
    """
    began, out = time.monotonic(), Path(out)
    run = begin(config, out, split_file, resume)
    try:
        run = _learn(run, out, PaceWatch(run.plan) if _may_plan_again(run, out) else None)
    except PaceError as told:
        console.print(f"plan again: {told}")
        _forget_plan(out)
        run = _learn(begin(config, out, split_file, resume=True, began=began), out, None)
    return _finish(run, out)


def begin(
    config: TrainConfig,
    out: Path | str,
    split_file: Path | None = None,
    resume: bool = False,
    began: float | None = None,
) -> Begun:
    """Plan a training into the new folder ``out``, or open one that was begun there, and tell the plan.

    Raises as `train` does. What was begun is trained by `train` with ``resume``. ``began``: since when the budget is
    being spent, on the clock of `time.monotonic`; now, where that is not said.
    """
    out = Path(out)
    began = time.monotonic() if began is None else began
    keep_memory()
    start = open_start(config)
    if start is None:
        check_pretrained(config)
    else:
        config = started(config, start)
    teachers = open_teachers(config)
    if teachers:
        config = with_canvas_of(config, teachers[0])
    check_judged(config)
    others = {f"--teacher {teacher.source}": teacher for teacher in teachers}
    if start is not None:
        others = {f"--from {start.source}": start} | others
    _check_folder(out, config, resume)
    dataset = open_data(config)
    division = open_split(dataset, out, split_file, config.data.fold)
    dropped = _dropped(config, dataset, division, out)
    fit_part, tune_part = (division.indices(dataset, config.data.fold, part) for part in ("fit", "tune"))
    fit_part = [i for i in fit_part if dataset.names[i] not in dropped]
    known = Plan.read(out / PLAN) if (out / PLAN).is_file() else None
    seen = warn_of_seen(others, dataset, division, config.data.fold)
    if known is not None:
        _check_as_before(others, known, out)
        config = known.choices.pinned(config)
    teacher = build_teacher(teachers, dataset) if known is None else None
    fitted = dataset.select(fit_part)
    config, crops, unjudged = draw(config, start, fitted)
    ends = began - _closing_s(config, dataset, division, len(tune_part)) - _judging_s(config, fitted, crops)
    new_classes = start is not None and not set(dataset.classes) <= set(start.config.classes)
    setup = known or set_up(config, dataset, division, fitted, time.monotonic() - ends, teacher, new_classes)
    config = setup.choices.pinned(config)
    torch.manual_seed(config.seed)
    model = build(config.model, config.network, len(dataset.classes))
    if start is None:
        load_pretrained(model)
    else:
        load_start(model, start, config, dataset.classes)
    loss = config.loss.build(model.heads)
    varied, plain = _feed(config, setup, dataset, fit_part, tune_part, crops)
    plan = known or make_plan(
        config,
        setup.model_copy(update={"preprocess": varied.preprocess, "warnings": (*seen, *unjudged, *setup.warnings)}),
        model,
        loss,
        collate([varied[0, i % varied.frames] for i in range(setup.choices.batch)]),
        (varied.frames, len(plain)),
        time.monotonic() - ends,
        build_adversary(config, len(dataset.classes)),
        config.refine.build(len(dataset.classes), config.seed),
        teacher,
        tuple(bundle.identity for bundle in others.values()),
    )
    if known is None:
        _write_folder(out, config, division, dropped, plan)
    run = Begun(config, dataset, division, dropped, fitted, varied, plain, model, loss, plan, start, teachers)
    _announce(run)
    return run


def _closing_s(config: TrainConfig, dataset: Dataset, division: Split, tune: int) -> float:
    """Seconds that export, calibration and scoring will take, with so many frames in the tune part."""
    network = build(config.model, config.network, len(dataset.classes))
    scoring_s = SCORING_S * len(division.fold(config.data.fold).test) + KNOWING_S * len(dataset)
    choosing_s = CALIBRATING_S * frames_looked_at(tune, network) + CHOOSING_S * frames_chosen_on(tune)
    return EXPORT_S + scoring_s + choosing_s


def _judging_s(config: TrainConfig, fitted: Dataset, crops: Drawn | None) -> float:
    """Seconds that it will take at the most to fit a judge, on the largest canvas that there may be."""
    if crops is None or not config.negatives.judge:
        return 0.0
    network = build(config.model, config.network, len(fitted.classes))
    side = config.canvas.longest or PRESETS[config.preset].largest
    shape = (network.divisor * ceil(side / network.divisor),) * 2
    most = config.negatives.looks or looks_within(config.whole_budget_s, network, shape)
    pieces = len(fitted) * (2 if config.canvas.close_up > 0 else 1) + len(crops)
    return min(most, LOOKS * pieces) * look_s(network, shape)


def _check_as_before(others: Mapping[str, Bundle], plan: Plan, out: Path) -> None:
    """Raise `InputError` where a run that was begun would go on with other models to learn from."""
    here = tuple(bundle.identity for bundle in others.values())
    if plan.learned_from is not None and here != plan.learned_from:
        raise InputError(
            f"{out}: was begun with {', '.join(plan.learned_from) or 'none'} to learn from, and {', '.join(others)} "
            f"is {', '.join(here)} now; put back what was there, or use another --out"
        )


def open_data(config: TrainConfig) -> Dataset:
    """The data set that a training is about."""
    data = config.data
    with counted("read masks") as progress:
        return load_dataset(
            data.folder, data.layout, data.classes, data.subject_pattern, progress, spacing_mm=data.spacing_mm
        )


def open_split(dataset: Dataset, out: Path, given: Path | None, fold: int) -> Split:
    """The run's own split where it has one, else the given one, else a new hold-out; checked against the data."""
    known = out / SPLIT if (out / SPLIT).is_file() else given
    if known is not None:
        division = Split.read(known)
        division.check(dataset, fold)
        if given is not None and Split.read(given) != division:
            raise InputError(
                f"{given}: is not the split that {out} was begun with; leave --split out, or use another --out"
            )
    else:
        with counted("find duplicates") as progress:
            division = split(dataset, progress=progress)
    division.fold(fold)
    return division


def _check_folder(out: Path, config: TrainConfig, resume: bool) -> None:
    check_folder(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        if resume:
            console.print(f"warning: {out}: no run to go on with; a new one begins")
        return
    if not resume:
        raise InputError(f"{out}: is there already; use --resume to go on with it, or another --out")
    if not _holds_run(out):
        raise InputError(f"{out}: not a run's folder; use another --out")
    if (out / PLAN).is_file():
        plan = Plan.read(out / PLAN)
        if plan.choices.accelerator not in ("cpu", find_accelerator()):
            raise InputError(
                f"{out}: was begun on a GPU ({plan.choices.accelerator}), which is not here; resume it where it is, or "
                "use another --out"
            )
        changed = _difference(_pinned(TrainConfig.read(out / CONFIG), plan), _asked(config, plan))
        if changed:
            raise InputError(
                f"{out}: was begun with another {changed}; resume without changing it, or use another --out"
            )


def _holds_run(out: Path) -> bool:
    """Whether a run was begun there, or stopped while its first files were written: the plan comes last."""
    if (out / PLAN).exists():
        return (out / CONFIG).exists()
    whole = {path.name for path in out.iterdir()} - {path.name for path in out.glob(".*.tmp")}
    return whole <= {CONFIG, SPLIT, DROPPED} and (CONFIG in whole or not whole)


def _pinned(config: TrainConfig, plan: Plan) -> TrainConfig:
    """The configuration that repeats a run: what was timed once is now said."""
    return plan.choices.pinned(config).model_copy(update={"steps": plan.steps, "rounds": plan.rounds})


def _asked(config: TrainConfig, plan: Plan) -> TrainConfig:
    """What `_pinned` would say of a run that was begun with this; a length that was not said is the plan's."""
    steps, rounds = whole_rounds(config.steps or plan.steps, config.rounds or plan.rounds)
    return plan.choices.pinned(config).model_copy(update={"steps": steps, "rounds": rounds})


def _difference(one: TrainConfig, other: TrainConfig) -> str | None:
    """The first field that differs; where the data lies is not asked, for the split knows its frames, nor the cache."""
    for name in TrainConfig.model_fields:
        a, b = getattr(one, name), getattr(other, name)
        if name == "data":
            a, b = (data.model_copy(update={"folder": Path(), "cache": True}) for data in (a, b))
        if a != b:
            return name
    return None


def _write_folder(out: Path, config: TrainConfig, division: Split, dropped: dict[str, str], plan: Plan) -> None:
    """The plan last: a folder without one was stopped before anything was decided, and starts anew."""
    out.mkdir(parents=True, exist_ok=True)
    _pinned(config, plan).write(out / CONFIG)
    division.write(out / SPLIT)
    if config.data.drop != "nothing":
        write_dropped(out / DROPPED, dropped)
    plan.write(out / PLAN)


def _dropped(config: TrainConfig, dataset: Dataset, division: Split, out: Path) -> dict[str, str]:
    """Frames of the fit part to leave out, with the reasons; those of a run that was begun stay the same."""
    if config.data.drop == "nothing":
        return {}
    if (out / PLAN).is_file():
        return read_dropped(out / DROPPED)
    with counted("find contradictions") as progress:
        return dropped_frames(dataset.select(division.indices(dataset, config.data.fold, "fit")), progress)


def _feed(
    config: TrainConfig,
    setup: Setup,
    dataset: Dataset,
    fit_part: list[int],
    tune_part: list[int],
    drawn: Drawn | None,
) -> tuple[VariedFrames, PlainFrames]:
    """Frames of fit and tune, scaled to the canvas."""
    preprocess, augment = setup.preprocess, config.augment.scaled(setup.choices.strength)
    with counted("prepare frames") as progress:
        fitted, tuned = open_canvases(dataset, (fit_part, tune_part), preprocess, config.data.cache, progress)
    if preprocess.normalisation == "fixed":
        mean, std = fitted.statistics()
        preprocess = preprocess.model_copy(update={"mean": mean, "std": max(1.0, std)})
    seen: Canvases | Joined = fitted
    if config.canvas.close_up > 0:
        close = preprocess.model_copy(update={"close_up": config.canvas.close_up})
        present = [i for i in fit_part if dataset.present[i]]
        with counted("prepare close-ups") as progress:
            seen = Joined((fitted, *open_canvases(dataset, (present,), close, config.data.cache, progress)))
    crops = None if drawn is None else drawn.canvases(preprocess)
    varied = VariedFrames(seen, preprocess, augment, config.seed, crops=crops, share=config.negatives.share)
    return varied, PlainFrames(tuned, preprocess)


def _announce(run: Begun) -> None:
    config, dataset, division, dropped, plan = run.config, run.dataset, run.division, run.dropped, run.plan
    fold = division.fold(config.data.fold)
    labels = ", ".join(f"{i} {name}" for i, name in enumerate(dataset.classes, start=1))
    console.print(f"data: {len(dataset)} frames ({dataset.layout}), labels {labels}")
    console.print(f"split: {division.statement}; {len(fold.fit)} fit, {len(fold.tune)} tune, {len(fold.test)} test")
    if dropped:
        console.print(
            f"left out: {len(dropped)} of the frames to fit, listed in {DROPPED}: their masks contradict others"
        )
    for choice in plan.choices.reasons:
        console.print(f"plan: {choice.name:9} {choice.value:12} {choice.reason}")
    console.print(
        f"plan: {config.model}, {plan.parameters / 1e6:.2f} M parameters, {plan.preprocess.height} x "
        f"{plan.preprocess.width}, {plan.steps} steps of {plan.choices.batch} frames, {plan.step_s:.2f} s each"
    )
    for told in plan.warnings:
        console.print(f"warning: {told}")
    passes = plan.steps * plan.choices.batch * config.devices / plan.facts.frames
    if passes < FEW_PASSES and run.start is None:
        console.print(f"warning: only {passes:.1f} passes over the frames; expect poor masks: train longer")


def _learn(run: Begun, out: Path, watch: PaceWatch | None) -> Begun:
    return learn_refined(run, out) if run.config.refine.folds else learn(run, out, watch)


def _may_plan_again(run: Begun, out: Path) -> bool:
    """Whether the plan was made for a budget, just now, for one training on one device."""
    begun = (out / LAST).exists()
    return run.plan.budget_s is not None and not (begun or run.config.refine.folds or run.config.devices > 1)


def _forget_plan(out: Path) -> None:
    """Take away what a plan brought into the run's folder; the plan last, for without it nothing else may be there."""
    shutil.rmtree(out / "tensorboard", ignore_errors=True)
    for name in (LAST, BEST, LOG, PLAN):
        (out / name).unlink(missing_ok=True)


def _finish(run: Begun, out: Path) -> Evaluation:
    """Calibrate, choose the post-processing, score the bundle as a user would run it, and write it with its scores."""
    fold, groups = run.division.fold(run.config.data.fold), run.division.groups
    rules, judged = PLAIN, list[str]()
    if isinstance(run.model, UNet) and run.config.negatives.judge:
        most = run.config.negatives.looks or MOST_LOOKS
        with counted("fit the judge of presence") as progress:
            judged.append(f"presence: {fit_judge(run.model, run.varied, most, progress)}")
        rules = PostProcess(presence=EMPTY)
        console.print(judged[0])
    calibration = calibrate(run.model, run.plain, [groups[name] for name in fold.tune])
    for reason in calibration.reasons:
        console.print(f"temperature: {reason}")
    seconds = training_seconds(out)
    files = bundle_files(
        run.model, run.config, run.plan, run.division, run.fitted, calibration, run.start, run.teachers
    )
    bundle = configured(Bundle(out / BUNDLE, files, RuntimeConfig(classes=run.dataset.classes)), {})
    with counted("choose the post-processing") as progress:
        chosen = choose_postprocess(bundle, run.dataset, progress, rules)
    for reason in chosen.reasons:
        console.print(f"post-processing: {reason}")
    bundle = configured(bundle, {"postprocess": chosen.postprocess.model_dump(mode="json")})
    appearance = learn_appearance(run.fitted, [groups[name] for name in run.fitted.names])
    if appearance is not None:
        bundle = configured(bundle, {"appearance": appearance.model_dump(mode="json")})
    with counted("score the test part") as progress:
        evaluation = evaluate(bundle, run.dataset, progress=progress)
    told = card(
        run.config,
        run.plan,
        run.division,
        run.fitted,
        calibration,
        (*judged, *chosen.reasons),
        seconds,
        evaluation.scores,
        run.start,
        run.teachers,
    )
    scored = {SCORES: evaluation.scores.anonymous().to_json().encode(), CARD: told.encode()}
    write_bundle(out / BUNDLE, {**bundle.files, **scored})
    write_text(out / SCORES, evaluation.scores.to_json())
    return evaluation
