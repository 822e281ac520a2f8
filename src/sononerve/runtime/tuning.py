"""Which engine is the fastest for a model on this machine: measured once, and remembered."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ..errors import InputError
from ..frame import Frame
from .bundle import Bundle, Precision
from .engine import ENGINES, MODES, PRECISIONS, EngineChoice
from .predictor import Predictor
from .race import race
from .tuned import remember

FRAMES = 10
SIZE = (512, 512)
EACH = 6  # frames for each that works at the same time, when many are in work


@dataclass(frozen=True)
class Timed:
    """One way of running a model, and the median milliseconds a frame: of all by their number, with many in work."""

    choice: EngineChoice
    ms: float


def tune(bundle: Bundle, frame: Frame | None = None) -> tuple[Timed, ...]:
    """Time the bundle in every engine, in each precision that it was checked in, and remember the fastest ways.

    ``frame``: of the size that will be used; a noisy one of 512 x 512 without. What is remembered is used wherever no
    engine is told, on this machine and for this model alone: the engine and its threads, never the precision. Raises
    `InputError` where no engine runs it.
    """
    frame = frame or Frame(np.random.default_rng(0).integers(0, 256, SIZE).astype(np.uint8))
    precisions = [p for p in PRECISIONS if p in ("fp32", bundle.config.precision, *bundle.config.dice_lost)]
    timed = [*_one_by_one(bundle, frame, precisions), *_many_at_once(bundle, frame, precisions)]
    if not timed:
        raise InputError(f"{bundle.source}: no engine that is installed here runs it")
    for mode in MODES:
        its = sorted((one for one in timed if one.choice.mode == mode), key=lambda one: one.ms)
        remember(bundle, mode, {p: one.choice for one in reversed(its) if (p := one.choice.precision) is not None})
    return tuple(sorted(timed, key=lambda one: (one.choice.mode, one.ms)))


def _one_by_one(bundle: Bundle, frame: Frame, precisions: Sequence[Precision]) -> list[Timed]:
    """Every engine and precision on all cores, and then the fastest engine of each precision on fewer."""
    cores = os.cpu_count() or 1
    whole = _raced(bundle, frame, [EngineChoice(e, p, cores) for e in ENGINES for p in precisions])
    fewer = [2**power for power in range(cores.bit_length()) if 2**power < cores]
    for precision in precisions:
        its = [one for one in whole if one.choice.precision == precision]
        if its and fewer:
            best = min(its, key=lambda one: one.ms)
            again = [replace(best.choice, threads=count) for count in [*fewer, cores]]
            whole = [one for one in whole if one is not best] + _raced(bundle, frame, again)
    return whole


def _raced(bundle: Bundle, frame: Frame, choices: Sequence[EngineChoice]) -> list[Timed]:
    predictors = {c: predictor for c in choices if (predictor := _opened(bundle, c)) is not None}
    taken = race(predictors, [frame] * FRAMES) if predictors else {}
    return [Timed(choice, median(each)) for choice, each in taken.items()]


def _many_at_once(bundle: Bundle, frame: Frame, precisions: Sequence[Precision]) -> list[Timed]:
    found = []
    for engine in ENGINES:
        for precision in precisions:
            choice = EngineChoice(engine, precision, os.cpu_count() or 1, "throughput")
            predictor = _opened(bundle, choice)
            if predictor is not None:
                found.append(Timed(choice, _busy(predictor, frame)))
    return found


def _busy(predictor: Predictor, frame: Frame) -> float:
    """Milliseconds a frame with as many in work as the predictor likes, the middle one of three rounds."""
    rounds, frames = [], [frame] * (EACH * predictor.at_once)
    with ThreadPoolExecutor(predictor.at_once) as pool:
        list(pool.map(predictor.predict, frames))
        for _ in range(3):
            began = time.perf_counter()
            list(pool.map(predictor.predict, frames))
            rounds.append(1000 * (time.perf_counter() - began) / len(frames))
    return median(rounds)


def _opened(bundle: Bundle, choice: EngineChoice) -> Predictor | None:
    """None where the engine is not here, or does not have the precision."""
    try:
        return Predictor(bundle, choice)
    except InputError:
        return None
