"""What a network looked at: probability, uncertainty, gates and saliency of one frame, as maps at the frame's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..data.preprocess import Preprocess
from ..evaluate.report.maps import Map, maps_figure
from ..frame import Frame
from ..models import SegmentationModel
from ..models.output import probabilities as shares
from ..models.output import with_background
from ..runtime.answer import entropy
from ..runtime.bundle import Bundle
from .restore import read_recorded, restore

SAMPLES = 20
NOISE = 0.1  # of the range of the canvas; the paper shows 0.1 to 0.2 as the useful ones
SEED = 0

METHODS = {
    "probability": "softmax over the background and the classes, 0..1",
    "uncertainty": "entropy of these probabilities and the background's, divided by the logarithm of their number: "
    "0 is sure, 1 is undecided",
    "gates": "how far each attention gate opens its skip, 0..1, gate 1 being the finest; brought to the frame's size "
    "bilinearly",
    "saliency": f"SmoothGrad (Smilkov et al., 2017, arXiv:1706.03825): the absolute value of the mean gradient over "
    f"{SAMPLES} canvases with Gaussian noise of {NOISE} of their range (seed {SEED}), by the canvas's normalised grey. "
    "What is differentiated is the first class's logit, averaged over the canvas with its probability there, without "
    "noise, as weight: the pixels of Seg-Grad-CAM (Vinogradova et al., 2020, arXiv:2002.11434), chosen softly",
}
"""How each kind of map is made, for ``explain.json``."""


@dataclass(frozen=True)
class Explanation:
    """Maps of one frame, float32 at its size; 0 outside of what the network sees of it. ``classes``: the C names.

    ``probabilities`` ``(C, H, W)`` in 0..1. ``uncertainty`` ``(H, W)`` in 0..1: 0 is sure, of nerve or of none.
    ``gates``: finest first, each ``(H, W)`` in 0..1; none for networks without. ``gate_cells``: for each, the
    pixels of the frame, along a side, to one of its own. ``saliency`` ``(H, W)``, at least 0: how much the mean
    logit of the first class changes with the pixel, per standard deviation of the canvas's greys.
    """

    frame: Frame
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    gates: tuple[NDArray[np.float32], ...]
    gate_cells: tuple[float, ...]
    saliency: NDArray[np.float32]

    def _repr_png_(self) -> bytes:
        """The frame and all maps as one figure, for a notebook."""
        return maps_figure(self.frame, self.maps(), self.frame.source or "frame")

    def maps(self) -> list[Map]:
        """All of them, with titles and units, for figures and files."""
        found = [
            Map(f"probability_{label}", f"probability of {name}", "probability", values)
            for label, (name, values) in enumerate(zip(self.classes, self.probabilities, strict=True), start=1)
        ]
        found.append(Map("uncertainty", "uncertainty", "share of the largest entropy", self.uncertainty))
        for number, (values, cell) in enumerate(zip(self.gates, self.gate_cells, strict=True), start=1):
            title = f"gate {number}: a grid of {cell:.3g} px"
            found.append(Map(f"gate_{number}", title, "closed (0) to open (1)", values))
        strongest = float(self.saliency.max()) or 1.0
        title = f"saliency of {self.classes[0]} (SmoothGrad)"
        return [*found, Map("saliency", title, "|d logit / d grey|", self.saliency, strongest)]


def explain(frame: Frame, bundle: Bundle | Path | str) -> Explanation:
    """Explain the answer of a bundle's network for one frame of any size.

    It has ``probabilities`` ``(C, H, W)``, which are those of `sononerve.Predictor`, ``uncertainty`` and ``saliency``
    ``(H, W)``, and ``gates``, one ``(H, W)`` each, finest first: float32 at the frame's size. Raises `InputError` as
    `restore` does.

    >>> explain(read_frame("frame.png"), "run").saliency.shape  # doctest: +SKIP
    (512, 640)
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    model, preprocess = restore(bundle)
    return explain_network(frame, model, preprocess, bundle.config.classes, read_recorded(bundle).temperature.mask)


def explain_network(
    frame: Frame,
    model: SegmentationModel,
    preprocess: Preprocess,
    classes: tuple[str, ...],
    temperature: float = 1.0,
) -> Explanation:
    """Explain the answer of a network that is ready to answer; its logits are divided by ``temperature``."""
    canvas = torch.from_numpy(preprocess.normalise(preprocess.frame(frame.pixels)))[None, None]
    area = preprocess.area(frame.pixels)
    with torch.no_grad():
        output = model(canvas)

    def at_frame(maps: Tensor) -> NDArray[np.float32]:
        return preprocess.restore(maps.numpy(), frame.shape, area)

    probabilities = at_frame(shares(output.logits / temperature)[0])
    size = canvas.shape[-2:]
    gates = [F.interpolate(gate, size, mode="bilinear")[0, 0] for gate in output.gates]
    scale = preprocess.scale(area.shape)
    return Explanation(
        frame=frame,
        classes=classes,
        probabilities=probabilities,
        uncertainty=entropy(probabilities[None])[0],
        gates=tuple(at_frame(gate) for gate in gates),
        gate_cells=tuple(size[0] / gate.shape[-2] / scale for gate in output.gates),
        saliency=at_frame(saliency(model, canvas)),
    )


def saliency(model: SegmentationModel, canvas: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "h w"]:
    """SmoothGrad of the first class's logit, averaged with its probability as weight; at least 0 (see `METHODS`)."""
    with torch.no_grad():
        log_shares = torch.log_softmax(with_background(model(canvas).logits), dim=1)[:, 1]
        weights = torch.softmax(log_shares.flatten(), dim=0).view_as(log_shares)  # shares / sum, were it never 0
    noise = NOISE * (canvas.max() - canvas.min())
    generator = torch.Generator().manual_seed(SEED)
    gradients = torch.zeros_like(canvas)
    for _ in range(SAMPLES):
        noisy = (canvas + noise * torch.randn(canvas.shape, generator=generator)).requires_grad_()
        mean_logit = (weights * model(noisy).logits[:, 0]).sum()
        gradients += torch.autograd.grad(mean_logit, noisy)[0]
    return (gradients / SAMPLES).abs()[0, 0]
