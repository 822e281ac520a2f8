"""A picture of what augmentation does: each operation alone, then all together as in training."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...frame import Sample
from ...overlay import overlay
from . import Augment, Drawn

COLUMNS = 5
TOGETHER = 9


def augment_picture(sample: Sample, augment: Augment, seed: int, name: str) -> bytes:
    """PNG of one sample varied by every operation alone, with the numbers drawn, then by ``augment`` as a whole."""
    rng = np.random.default_rng(seed)
    operations = augment.operations()
    alone = [(key, {key: op.draw(rng)}, "off: p 0" if op.p == 0 else f"p {op.p:g}") for key, op in operations.items()]
    together = [(f"together {i + 1}", augment.draw(rng), "as in training") for i in range(TOGETHER)]
    panels = [("frame", {}, "as it is"), *alone, *together]
    lines = -(-len(panels) // COLUMNS)
    height, width = sample.frame.shape
    with mpl.rc_context({"font.size": 8, "axes.titlesize": 9}):
        figure = Figure(figsize=(2.6 * COLUMNS, (2.3 * height / width + 0.75) * lines + 0.4), layout="constrained")
        axes = figure.subplots(lines, COLUMNS).ravel()
        for ax, (title, drawn, note) in zip(axes, panels, strict=False):
            ax.imshow(_varied(sample, augment, drawn))
            ax.set_title(f"{title} ({note})")
            ax.set_xlabel(_numbers(drawn) if len(drawn) == 1 else "column (px)")
            ax.set_ylabel("row (px)")
        for ax in axes[len(panels) :]:
            ax.axis("off")
        figure.suptitle(f"Augmentation of {name}, seed {seed}")
        FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, facecolor="white")
        return buffer.getvalue()


def _varied(sample: Sample, augment: Augment, drawn: Drawn) -> NDArray[np.uint8]:
    pixels = augment.frame(sample.frame.pixels, drawn)
    labels = np.zeros_like(pixels) if sample.labels is None else augment.mask(sample.labels, drawn)
    return overlay(pixels, labels, fill=0.0)


def _numbers(drawn: Drawn) -> str:
    ((_, numbers),) = drawn.items()
    told = [f"{key} {value:.2g}" for key, value in numbers.items() if key != "seed"]
    lines = [", ".join(told[i : i + 3]) for i in range(0, len(told), 3)]
    return "\n".join(lines) or "column (px)"
