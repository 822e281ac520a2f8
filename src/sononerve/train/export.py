"""From a run to a bundle: what `sononerve.runtime` reads and nothing of PyTorch is needed for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import yaml
from safetensors.torch import save
from torch import Tensor

from .. import __version__
from ..data.dataset import Dataset
from ..data.split import Split
from ..models import every_setting
from ..models.output import FilteringModel, SegmentationModel
from ..runtime.bundle import (
    CARD,
    CONFIG,
    DECODER,
    ENCODER,
    GRAPH,
    SCORES,
    SMALL_NERVE,
    SPLIT,
    WEIGHTS,
    Bundle,
    RuntimeConfig,
    told_name,
)
from ..runtime.postprocess import PLAIN
from .calibrate import Calibration
from .config import TrainConfig
from .filter_graph import filter_graphs
from .graph import bundle_graph
from .plan import Plan
from .start import recorded_starts


def bundle_files(
    model: SegmentationModel,
    config: TrainConfig,
    plan: Plan,
    split: Split,
    fitted: Dataset,
    calibration: Calibration,
    start: Bundle | None = None,
    teachers: Sequence[Bundle] = (),
) -> dict[str, bytes]:
    """The bundle's files for a trained model, not yet scored, its labels plain.

    ``fitted``: what it was fitted to. ``start``: the model that it began with. ``teachers``: those it learned from.
    """
    classes = fitted.classes
    home = config.data.folder.name  # a bundle is passed on: no paths of this machine, no names of frames
    starts, start_files = recorded_starts([*([] if start is None else [start]), *teachers])
    named = {
        "network": every_setting(config.model, config.network),  # a later default must not change what this was
        "start": None if start is None else told_name(start),
        "teach": config.teach.model_copy(update={"models": tuple(map(told_name, teachers))}),
    }
    told = config.model_copy(update=named).model_dump(mode="json")
    recorded = {
        "sononerve": __version__,
        "classes": list(classes),
        "postprocess": PLAIN.model_dump(mode="json"),
        "nerve_share": nerve_share(fitted),
        "fold": config.data.fold,
        "temperature": asdict(calibration.temperatures),
        "tune_presences": [list(group) for group in calibration.presences],
        "close_up": config.canvas.close_up,
        "plan": plan.model_dump(mode="json"),
        "starts": [one.model_dump(mode="json") for one in starts],
        "training": told | {"data": config.data.model_dump(mode="json") | {"folder": home}},
    }
    weights: dict[str, Tensor] = {name: value.contiguous() for name, value in model.state_dict().items()}
    return {
        GRAPH: bundle_graph(model, plan.preprocess, len(classes), calibration.temperatures),
        WEIGHTS: save(weights),
        CONFIG: yaml.safe_dump(recorded, sort_keys=False).encode(),
        SPLIT: split.anonymous().model_dump_json().encode(),
        SCORES: b"{}\n",
        CARD: b"Not yet scored.\n",
        **start_files,
        **_halves(model, plan, len(classes), calibration),
    }


def configured(bundle: Bundle, changes: Mapping[str, object]) -> Bundle:
    """The bundle with these entries of its ``config.yaml`` changed."""
    recorded = yaml.safe_load(bundle.files[CONFIG]) | dict(changes)
    content = yaml.safe_dump(recorded, sort_keys=False).encode()
    return replace(bundle, files={**bundle.files, CONFIG: content}, config=RuntimeConfig.model_validate(recorded))


def _halves(model: SegmentationModel, plan: Plan, classes: int, calibration: Calibration) -> dict[str, bytes]:
    """The graphs for early filtering, of a network that can."""
    if not isinstance(model, FilteringModel) or "presence" not in model.heads:
        return {}
    encoder, decoder = filter_graphs(model, plan.preprocess, classes, calibration.temperatures)
    return {ENCODER: encoder, DECODER: decoder}


def nerve_share(dataset: Dataset) -> float:
    """How much of a frame the nerve covers: the median over the frames that hold one, 0..1."""
    areas = dataset.areas[dataset.present, 0]
    return float(np.median(areas)) if areas.size else SMALL_NERVE
