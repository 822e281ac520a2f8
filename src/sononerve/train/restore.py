"""From a bundle back to its network in PyTorch, for what the graph does not tell: gradients, and what is inside."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..data.preprocess import Preprocess
from ..errors import InputError
from ..models import SegmentationModel, Setting, build
from ..models.refiner import Refined
from ..models.unet import UNet
from ..runtime.bundle import CONFIG, WEIGHTS, Bundle
from ..settings import first_fault
from .calibrate import UNCHANGED, Temperatures
from .config import RefineConfig

NETWORKS = "networks"
"""In an ensemble's ``config.yaml``: what each member's says of its network."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RecordedPlan(_Part):
    """What is needed here of the plan in a bundle's ``config.yaml``."""

    preprocess: Preprocess


class RecordedNegatives(_Part):
    """Whether a judge of presence stands beside the network."""

    judge: bool | None = None


class RecordedTraining(_Part):
    """What is needed here of the training's settings in a bundle's ``config.yaml``."""

    model: str
    network: dict[str, Setting] = {}
    refine: RefineConfig = RefineConfig()
    negatives: RecordedNegatives = RecordedNegatives()
    seed: int = 0


class Recorded(_Part):
    """What a bundle's ``config.yaml`` says of its network."""

    plan: RecordedPlan
    training: RecordedTraining
    temperature: Temperatures = UNCHANGED


def read_recorded(bundle: Bundle) -> Recorded:
    """What the bundle's configuration says of its network; raise `InputError` where it says nothing of it."""
    if bundle.config.members:
        raise InputError(f"{bundle.source}: is an ensemble; name one of the models that it was made of")
    try:
        return Recorded.model_validate(yaml.safe_load(bundle.files[CONFIG]))
    except (yaml.YAMLError, ValidationError) as error:
        told = first_fault(error, {}) if isinstance(error, ValidationError) else error
        raise InputError(
            f"{bundle.source}: {CONFIG}: {told}; expected a bundle that 'sononerve train' wrote"
        ) from error


def prefix(number: int) -> str:
    """What the names of a member's weights begin with in an ensemble's."""
    return f"member_{number}."


def member_of(bundle: Bundle, turn: int) -> Bundle:
    """One network of an ensemble, whose turn it is, with its weights and configuration alone; any other as it is.

    ``turn``: any whole number; members take turns. Raises `InputError` where the ensemble says nothing of its networks.
    """
    count = len(bundle.config.members)
    if not count:
        return bundle
    try:
        recorded = yaml.safe_load(bundle.files[CONFIG])
        weights = load(bundle.files[WEIGHTS])
    except (yaml.YAMLError, SafetensorError) as error:
        raise InputError(f"{bundle.source}: cannot be read ({error}); export the bundle again") from error
    networks, number = recorded.get(NETWORKS), turn % count
    if not isinstance(networks, list) or len(networks) != count or not isinstance(networks[number], dict):
        raise InputError(
            f"{bundle.source}: {CONFIG}: says nothing of its members' networks; join them again, or name one"
        )
    own = {n.removeprefix(prefix(number)): tensor for n, tensor in weights.items() if n.startswith(prefix(number))}
    config = {key: value for key, value in recorded.items() if key not in ("members", NETWORKS)} | networks[number]
    files = {WEIGHTS: save(own), CONFIG: yaml.safe_dump(config, sort_keys=False).encode()}
    return Bundle(bundle.source, files, bundle.config.model_copy(update={"members": ()}))


def restore(bundle: Bundle) -> tuple[SegmentationModel, Preprocess]:
    """The bundle's network with its weights, ready to answer, and what stands before it.

    Its logits are not yet divided by the temperature that `read_recorded` tells.

    Raises `InputError` for a bundle that was not written by a training, whose network is not known here, or whose
    weights are not that network's.

    >>> model, preprocess = restore(Bundle.open("run"))  # doctest: +SKIP
    >>> model(torch.from_numpy(preprocess.normalise(preprocess.frame(pixels)))[None, None])  # doctest: +SKIP
    """
    recorded = read_recorded(bundle)
    name = recorded.training.model
    try:
        model = _network(recorded.training, len(bundle.config.classes))
    except InputError as error:
        raise InputError(f"{bundle.source}: {CONFIG}: {error}; use the sononerve that wrote it") from error
    try:
        tensors = load(bundle.files[WEIGHTS])
    except SafetensorError as error:
        raise InputError(f"{bundle.source}: {WEIGHTS}: not safetensors ({error}); export the bundle again") from error
    fault = misfit(model.state_dict(), tensors)
    if fault is not None:
        raise InputError(f"{bundle.source}: {WEIGHTS}: {fault}; expected the weights of {name}: export it again")
    model.load_state_dict(tensors)
    return model.eval(), recorded.plan.preprocess


def _network(training: RecordedTraining, classes: int) -> SegmentationModel:
    """The network as it was begun, with the judge beside it or the refiner behind it where there is one."""
    network = build(training.model, training.network, classes)
    if training.negatives.judge and isinstance(network, UNet):
        network.add_judge()
    refiner = training.refine.build(classes, training.seed)
    return network if refiner is None else Refined(network, refiner)


def misfit(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> str | None:
    """The first tensor that is not as the network has it, in words."""
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            return f"holds no {name}"
        if name not in wanted:
            return f"holds {name}, which the network has not"
        if wanted[name].shape != found[name].shape:
            return f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
    return None
