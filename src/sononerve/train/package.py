"""A bundle to pass on: every engine checked against PyTorch, and in the precision asked for, with what that costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from ..data.dataset import Dataset
from ..errors import InputError
from ..evaluate.run import evaluate, scope_of
from ..evaluate.scores import Scores
from ..frame import Frame
from ..models.output import probabilities
from ..progress import console, counted
from ..runtime.bundle import CARD, DECODER, ENCODER, GRAPH, SCORES, WEIGHTS, Bundle, Precision, in_precision
from ..runtime.engine import EngineChoice
from ..runtime.engines import installed_engines, open_engine
from ..runtime.postprocess import label_map
from .card import HELD_OUT, held_out
from .export import configured
from .quantise import MOST_LOST, quantise
from .restore import read_recorded, restore

CHECKED_ON = 20  # frames of the tune part
CALIBRATED_ON = 64  # frames of the fit part
ALIKE = 0.999  # Dice between engines: they round in another order, and nothing else may differ

Answer = Callable[[Frame], NDArray[np.float32]]


@dataclass(frozen=True)
class Agreement:
    """How far an engine's answers are from PyTorch's: the largest difference of a probability, and the mean Dice."""

    largest: float
    dice: float


def package(bundle: Bundle, dataset: Dataset, precision: Precision = "fp32") -> Bundle:
    """The bundle, checked, meant to run in ``precision``, and scored anew in it on its test part.

    ``dataset``: what it was trained on; frames of the fit part give the ranges for int8, those of the tune part tell
    what a precision costs. Raises `InputError` where an engine does not answer as PyTorch does, or the precision costs
    more than 0.005 Dice of a class on the tune part.
    """
    if GRAPH not in bundle.files:
        raise InputError(f"{bundle.source}: holds its graph in int8 alone; export the run that it came from")
    if bundle.config.classes != dataset.classes:
        raise InputError(
            f"{dataset.folder}: its classes are {', '.join(dataset.classes)}, the model's "
            f"{', '.join(bundle.config.classes)}; expected what it was trained on"
        )
    with counted("check the engines") as progress:
        tuned = scope_of(bundle, dataset, "tune").indices
        some = [dataset[i].frame for i in tuned[:: max(1, len(tuned) // CHECKED_ON)][:CHECKED_ON]]
        checked = check_engines(bundle, some, progress)
    for name, found in checked.items():
        console.print(f"{name}: largest difference of a probability {found.largest:.2g}, Dice {found.dice:.4f}")
    notes = [
        f"{name} against PyTorch on {len(some)} frames of the tune part: largest difference of a probability "
        f"{found.largest:.2g}, Dice {found.dice:.4f}"
        for name, found in checked.items()
    ]
    lost: dict[Precision, float] = {}
    if precision != "fp32":
        bundle, lost[precision], told = _in_precision(bundle, dataset, precision)
        console.print(told)
        notes.append(told)
    changes: dict[str, object] = {
        "precision": precision,
        "dice_lost": dict(lost),
        "engines": {name: asdict(found) for name, found in checked.items()},
    }
    bundle = configured(bundle, changes)
    with counted("score the test part") as progress:
        scores = evaluate(bundle, dataset, progress=progress).scores
    return _told(bundle, scores, notes)


def slim(bundle: Bundle) -> Bundle:
    """The bundle with its graphs in int8 alone and its weights in 16 bits: a third of the size.

    It runs in int8 as before, and `sononerve train --from` takes the weights; it cannot be run in fp32, packed again or
    joined with others. Raises `InputError` where it has no graphs in int8.
    """
    if in_precision(GRAPH, "int8") not in bundle.files:
        raise InputError(f"{bundle.source}: has no graph in int8; use --slim with --precision int8")
    weights = {name: _halved(value) for name, value in load(bundle.files[WEIGHTS]).items()}
    kept = {name: content for name, content in bundle.files.items() if name not in (GRAPH, ENCODER, DECODER)}
    return configured(replace(bundle, files={**kept, WEIGHTS: save(weights)}), {"precision": "int8"})


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    """In 16 bits, where it is of numbers that these can hold."""
    half = tensor.half()
    return half if tensor.is_floating_point() and bool(half.isfinite().all()) else tensor


def check_engines(
    bundle: Bundle, frames: Sequence[Frame], progress: Callable[[int, int], None] | None = None
) -> dict[str, Agreement]:
    """How each installed engine agrees with PyTorch in fp32; an ensemble's with the first engine.

    Raises `InputError` where one does not.
    """
    choices = {name: EngineChoice(engine=name, precision="fp32") for name in installed_engines()}
    engines: dict[str, Answer] = {name: _by_engine(bundle, choice) for name, choice in choices.items()}
    right = _by_torch(bundle) if not bundle.config.members else next(iter(engines.values()))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for number, frame in enumerate(frames, start=1):
        expected = right(frame)
        for name, answer in engines.items():
            told = answer(frame)
            found[name].append((float(np.abs(told - expected).max()), _dice(told, expected)))
        if progress is not None:
            progress(number, len(frames))
    agreements = {
        name: Agreement(max(one for one, _ in pairs), float(np.mean([two for _, two in pairs])))
        for name, pairs in found.items()
    }
    for name, agreement in agreements.items():
        if agreement.dice < ALIKE:
            raise InputError(
                f"{bundle.source}: {name} does not answer as PyTorch does: Dice {agreement.dice:.4f}, largest "
                f"difference {agreement.largest:.3g}; expected at least {ALIKE}: update {name}, or use another"
            )
    return agreements


def _by_engine(bundle: Bundle, choice: EngineChoice) -> Answer:
    engine = open_engine(bundle, GRAPH, choice)
    return lambda frame: engine.run({"frame": frame.pixels[None, None]})["probabilities"][0]


def _by_torch(bundle: Bundle) -> Answer:
    model, preprocess = restore(bundle)
    temperature = read_recorded(bundle).temperature.mask

    def answer(frame: Frame) -> NDArray[np.float32]:
        canvas = preprocess.normalise(preprocess.frame(frame.pixels))
        with torch.no_grad():
            found = probabilities(model(torch.from_numpy(canvas)[None, None]).logits / temperature)[0]
        return preprocess.restore(found.numpy(), frame.shape, preprocess.area(frame.pixels))

    return answer


def _dice(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Dice of what is marked, whichever class; 1 where neither marks anything."""
    a, b = label_map(one) > 0, label_map(other) > 0
    marked = int(a.sum() + b.sum())
    return 1.0 if marked == 0 else 2 * int((a & b).sum()) / marked


def _in_precision(bundle: Bundle, dataset: Dataset, precision: Precision) -> tuple[Bundle, float, str]:
    """The bundle with what the precision needs, the Dice that it costs, and that in words."""
    full = _tune_dice(bundle, dataset, "fp32")

    def lost(candidate: Bundle) -> float:
        found = _tune_dice(candidate, dataset, precision)
        return max(full[name] - found[name] for name in full)

    frames = len(scope_of(bundle, dataset, "tune").indices)
    behind = f"Dice in the class that it costs most, on the {frames} frames of the tune part"
    if precision == "int8":
        fitted = scope_of(bundle, dataset, "fit").indices
        chosen = fitted[:: max(1, len(fitted) // CALIBRATED_ON)][:CALIBRATED_ON]
        made = quantise(bundle, [dataset[i].frame for i in chosen], lost)
        left = f"; left in fp32: {', '.join(made.kept)}" if made.kept else ""
        return made.bundle, made.lost, f"int8: {_cost(made.lost)} {behind}{left}"
    cost = lost(bundle)
    if cost > MOST_LOST:
        raise InputError(
            f"{bundle.source}: {precision} {_cost(cost)} {behind}, and at most {MOST_LOST} is accepted; use "
            "--precision fp32"
        )
    return bundle, cost, f"{precision}: {_cost(cost)} {behind}"


def _cost(lost: float) -> str:
    return f"costs {lost:.4f}" if lost >= 0 else f"gains {-lost:.4f}"


def _tune_dice(bundle: Bundle, dataset: Dataset, precision: Precision) -> dict[str, float]:
    """Mean Dice of each class that the tune part holds."""
    with counted(f"score the tune part in {precision}") as progress:
        found = evaluate(bundle, dataset, "tune", EngineChoice(precision=precision), progress).scores.overall.classes
    means = {name: one.scores["dice"] for name, one in found.items()}
    return {name: mean.value for name, mean in means.items() if mean is not None}


def _told(bundle: Bundle, scores: Scores, notes: Sequence[str]) -> Bundle:
    """The bundle with its scores, and a card that tells them."""
    before = bundle.files[CARD].decode().partition(HELD_OUT)[0].partition("## Engines and precision")[0].rstrip()
    lines = "\n".join(f"- {note}" for note in notes)
    card = f"{before}\n\n## Engines and precision\n\n{lines}\n\n{held_out(scores)}\n"
    files = {SCORES: scores.anonymous().to_json().encode(), CARD: card.encode()}
    return replace(bundle, files={**bundle.files, **files})
