"""Temperatures that make probabilities mean what they say, fitted on the tune part when the training is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from ..data.module import PlainFrames, collate
from ..models.output import FilteringModel, SegmentationModel

LOWEST, HIGHEST = 0.25, 8.0
FEWEST = 5  # frames of a kind; of fewer, chance decides
MOST_FRAMES = 200  # they tell the temperature as well as more would
MOST_PRESENCES = 1000  # frames with a nerve that tell an early filter's threshold; a high sensitivity takes many
MOST_PIXELS = 1_000_000  # of all frames together, so that their logits fit into memory
AT_ONCE = 8


@dataclass(frozen=True)
class Temperatures:
    """What the logits of the mask and of the presence are divided by; 1 changes nothing."""

    mask: float = 1.0
    presence: float = 1.0


UNCHANGED = Temperatures()


@dataclass(frozen=True)
class Calibration:
    """The temperatures, and a line for each that says where it comes from.

    ``presences``: for each group that has frames with a nerve, what the network then says of them, 0..1, ascending;
    none of a network that is not filtered early.
    """

    temperatures: Temperatures
    reasons: tuple[str, ...]
    presences: tuple[tuple[float, ...], ...] = ()


def calibrate(model: SegmentationModel, tune: PlainFrames, groups: Sequence[str]) -> Calibration:
    """Fit one temperature to the mask's logits and one to those of presence, where the network has that head.

    Only frames of the tune part are looked at: some hundreds, spread evenly; for presences up to 1,000 with a nerve.
    Each temperature is the one with the least negative log-likelihood (Guo et al., ICML 2017, section 4.2), over the
    canvas's pixels or over frames. Where the part holds too few frames of a kind it stays 1, and the reason says so.
    ``groups``: of each frame of ``tune``, its subject, or whatever the split keeps together.
    """
    places = np.unique(np.linspace(0, len(tune) - 1, min(len(tune), MOST_FRAMES)).round().astype(int)).tolist()
    seen = _look(model, tune, places)
    mask, why = 1.0, f"the tune part has {seen.marked} frames that hold a class, of which {FEWEST} are needed"
    if seen.marked >= FEWEST:
        mask, why = fit_temperature(seen.logits, seen.labels), f"fits {len(places)} frames of the tune part"
    reasons = [f"mask {mask:.3f}: {why}"]
    presence, presences = 1.0, tuple[tuple[float, ...], ...]()
    if seen.presence is not None:
        with_nerve = int(seen.present.sum())
        without = len(places) - with_nerve
        why = f"the tune part has {with_nerve} frames with a nerve and {without} without; {FEWEST} of each are needed"
        if min(with_nerve, without) >= FEWEST:
            presence = fit_temperature(seen.presence[:, None], seen.present.long())
            why = f"fits {with_nerve} frames of the tune part with a nerve and {without} without"
        reasons.append(f"presence {presence:.3f}: {why}")
        if isinstance(model, FilteringModel):
            presences = _by_group(_sure_of(model, tune, places, seen, presence), groups)
    return Calibration(Temperatures(mask, presence), tuple(reasons), presences)


def _sure_of(
    model: SegmentationModel, tune: PlainFrames, places: list[int], seen: _Seen, temperature: float
) -> dict[int, float]:
    """Presence by place of the frames with a nerve: of those in ``places``, which were seen, and of further ones."""
    assert seen.presence is not None
    logits = {i: float(seen.presence[row]) for row, i in enumerate(places) if seen.present[row]}
    further = [i for i in range(len(tune)) if i not in set(places) and bool((tune[i].labels == 1).any())]
    further = further[:: max(1, -(-len(further) // max(1, MOST_PRESENCES - len(logits))))]
    if further:
        told = _look(model, tune, further).presence
        assert told is not None
        logits |= dict(zip(further, told.tolist(), strict=True))
    return {i: float(expit(logit / temperature)) for i, logit in sorted(logits.items())}


def _by_group(values: Mapping[int, float], groups: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """The values of each group, ascending."""
    found: dict[str, list[float]] = {}
    for i, value in values.items():
        found.setdefault(groups[i], []).append(value)
    return tuple(tuple(sorted(group)) for group in found.values())


def frames_looked_at(tune: int, model: SegmentationModel) -> int:
    """At most so many of ``tune`` frames `calibrate` looks at."""
    tells_first = isinstance(model, FilteringModel) and "presence" in model.heads
    return min(tune, MOST_PRESENCES if tells_first else MOST_FRAMES)


def fit_temperature(logits: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> float:
    """The temperature in 0.25..8 with the least negative log-likelihood of ``labels``, 0 the background.

    ``logits``: of the classes without the background, whose logit is 0.
    """
    whole = F.pad(logits.double(), (1, 0))

    def surprise(log_temperature: float) -> float:
        return float(F.cross_entropy(whole / float(np.exp(log_temperature)), labels))

    found = minimize_scalar(surprise, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


@dataclass(frozen=True)
class _Seen:
    """Logits and labels of pixels; of frames the presence logits, whether they hold the nerve, and how many a class."""

    logits: Float[Tensor, "n c"]
    labels: Int[Tensor, " n"]
    presence: Float[Tensor, " m"] | None
    present: Bool[Tensor, " m"]
    marked: int


def _look(model: SegmentationModel, tune: PlainFrames, places: list[int]) -> _Seen:
    """What the network says of these frames, and the truth; of large canvases some pixels, drawn alike every time."""
    model = model.eval().cpu().float()
    logits, labels, presence, present, marked = [], [], [], [], 0
    draw = torch.Generator().manual_seed(0)
    for start in range(0, len(places), AT_ONCE):
        batch = collate([tune[i] for i in places[start : start + AT_ONCE]])
        with torch.no_grad():
            output = model(batch.frames)
        pixels = output.logits.float().movedim(1, -1).flatten(1, 2)
        chosen = torch.randperm(pixels.shape[1], generator=draw)[: max(1, MOST_PIXELS // len(places))]
        logits.append(pixels[:, chosen].flatten(0, 1))
        labels.append(batch.labels.flatten(1)[:, chosen].flatten())
        present.append((batch.labels == 1).flatten(1).any(1))
        marked += int((batch.labels > 0).flatten(1).any(1).sum())
        if output.presence is not None:
            presence.append(output.presence.float())
    sure = torch.cat(presence) if presence else None
    return _Seen(torch.cat(logits), torch.cat(labels), sure, torch.cat(present), marked)
