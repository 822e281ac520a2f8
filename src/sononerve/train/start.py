"""Training that goes on from a model: its network, its canvas and its weights, on other frames or for other classes.

What it saw is remembered, and what teachers saw too: the new model is scored on none of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ..data.dataset import Dataset
from ..data.split import Split
from ..errors import InputError
from ..evaluate.run import seen_in_training
from ..models import MIRRORED, SegmentationModel, build
from ..models.judge import JUDGE
from ..models.mirrored import renamed
from ..runtime.bundle import SPLIT, WEIGHTS, Bundle, Member, told_name
from .config import TrainConfig
from .restore import member_of, misfit, read_recorded

Carried = tuple[tuple[Member, ...], dict[str, bytes]]
"""Models that a training began with, and the files with their splits."""


def open_start(config: TrainConfig) -> Bundle | None:
    """The model that a training begins with; None where it begins with none. Raises `InputError` where it cannot.

    Of an ensemble the members take turns by the seed: the first with seed 0.
    """
    if config.start is None:
        return None
    start = Bundle.open(config.start)
    if read_recorded(member_of(start, config.seed)).training.refine.folds:
        raise InputError(f"--from {config.start}: has a refiner behind its network; begin with a model that has none")
    return start


def started(config: TrainConfig, start: Bundle) -> TrainConfig:
    """The configuration with the network of ``start``, and its canvas where none was asked for."""
    recorded = read_recorded(member_of(start, config.seed))
    training, preprocess = recorded.training, recorded.plan.preprocess
    canvas = {
        "longest": config.canvas.longest or max(preprocess.height, preprocess.width),
        "region": config.canvas.region or preprocess.region,
        "normalisation": preprocess.normalisation,
    }
    return config.model_copy(
        update={
            "model": training.model,
            "network": training.network | config.network,
            "canvas": config.canvas.model_copy(update=canvas),
        }
    )


def load_start(model: SegmentationModel, start: Bundle, config: TrainConfig, classes: Sequence[str]) -> None:
    """Put the weights of ``start`` into ``model``; what answers for a class that it does not know stays as it is.

    Raises `InputError` where the network was changed and they do not fit.
    """
    start = member_of(start, config.seed)
    try:
        found = load(start.files[WEIGHTS])
    except SafetensorError as error:
        raise InputError(f"{start.source}: {WEIGHTS}: not safetensors ({error}); export the bundle again") from error
    was, is_now = (bool(settings.get(MIRRORED)) for settings in (read_recorded(start).training.network, config.network))
    without_judge = {name: tensor for name, tensor in found.items() if not name.startswith(f"{JUDGE}.")}
    found = {renamed(name, was, is_now): tensor for name, tensor in without_judge.items()}
    known, fresh = start.config.classes, model.state_dict()
    fault = misfit(_state(config, len(known)), found)
    if fault is not None:
        raise InputError(
            f"{start.source}: {WEIGHTS}: {fault}; leave the settings of the network that is begun with as they are"
        )
    one_more = _state(config, len(classes) + 1)
    for name, tensor in found.items():
        of_classes = fresh[name].shape != one_more[name].shape
        fresh[name] = _by_class(fresh[name], tensor, classes, known) if of_classes else tensor
    model.load_state_dict(fresh)


def draw_back(
    model: SegmentationModel, start: Bundle, config: TrainConfig, classes: Sequence[str], share: float
) -> None:
    """Make the weights of ``model`` the mean of its own and those of ``start``, which weigh ``share``.

    Few frames teach themselves and cost what was known of all others; half-way back much of both is kept. What answers
    for a class that ``start`` does not know stays as it is. Source: Wortsman et al., "Robust fine-tuning of zero-shot
    models", CVPR 2022, there called WiSE-FT.
    """
    before = copy.deepcopy(model)
    load_start(before, start, config, classes)
    known, state = before.state_dict(), model.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():  # not BatchNorm's count of batches
            tensor.lerp_(known[name].to(tensor), share)


def _state(config: TrainConfig, classes: int) -> dict[str, Tensor]:
    return build(config.model, config.network, classes).state_dict()


def _by_class(fresh: Tensor, found: Tensor, classes: Sequence[str], known: Sequence[str]) -> Tensor:
    """``fresh`` with the rows of those classes that ``found`` has too; each class has as many rows."""
    result, rows = fresh.clone(), len(fresh) // len(classes)
    for number, name in enumerate(classes):
        if name in known:
            there = known.index(name)
            result[number * rows : (number + 1) * rows] = found[there * rows : (there + 1) * rows]
    return result


def warn_of_seen(others: Mapping[str, Bundle], dataset: Dataset, division: Split, fold: int) -> list[str]:
    """What must be said of held-out frames that other models, which this one learns from, have seen.

    ``others``: by the words with which they were given. Raises `InputError` where together they have seen all frames of
    the test part, or were fitted to all of the tune part.
    """
    if not others:
        return []
    bundles, named = list(others.values()), ", ".join(others)
    tune, test = (dataset.select(division.indices(dataset, fold, part)) for part in ("tune", "test"))
    fitted, seen = seen_in_training(bundles, tune, ("fit",)), seen_in_training(bundles, test)
    for count, part, frames in ((seen, "test", test), (fitted, "tune", tune)):
        if count == len(frames):
            raise InputError(
                f"{named}: was trained on all {count} frames of the {part} part; give the split that it was trained "
                "with, by --split, or other frames"
            )
    told, whose = [], " and ".join(dict.fromkeys(option.split()[0] for option in others))  # a bundle names no path
    if seen:
        told.append(f"{seen} of {len(test)} frames of the test part are not scored: what {whose} gives has seen them")
    looked_at = seen_in_training(bundles, tune)
    if looked_at:
        told.append(
            f"what {whose} gives has seen {looked_at} of {len(tune)} frames of the tune part: thresholds that are "
            "chosen on them may be off"
        )
    return told


def recorded_starts(starts: Sequence[Bundle]) -> Carried:
    """What a bundle says of the models that it began with or learned from, and of those before them."""
    told = []
    for start in starts:
        told.append(
            (Member(name=told_name(start), identity=start.identity, fold=start.config.fold, split=SPLIT), start)
        )
        told += [(one, start) for one in (*start.config.members[1:], *start.config.starts)]
    return carried(told)


def carried(starts: Sequence[tuple[Member, Bundle]]) -> Carried:
    """Models that were begun with, each in the bundle that tells of it, as another bundle tells of them."""
    members, files = [], {}
    for number, (member, bundle) in enumerate(starts):
        name = f"start_{number}.split.json"
        members.append(member.model_copy(update={"split": name}))
        if member.split in bundle.files:
            files[name] = bundle.files[member.split]
    return tuple(members), files
