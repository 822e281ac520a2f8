"""Crops of the frames to fit, with a nerve and without it, for a training that is shown them or for its judge."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ..data.canvases import Canvases
from ..data.dataset import Dataset
from ..data.negatives import Crops, NoCropsError, draw_some_crops, pieces
from ..data.preprocess import Preprocess
from ..progress import counted
from ..runtime.bundle import Bundle
from .config import TrainConfig
from .judge import can_be_judged
from .restore import member_of, read_recorded

MOST = 1500  # 200 MB of canvases of 256 x 256


@dataclass(frozen=True)
class Drawn:
    """Crops that were drawn of ``frames``, and not cut yet."""

    frames: Dataset
    crops: Crops

    def __len__(self) -> int:
        return len(self.crops.chosen)

    def canvases(self, preprocess: Preprocess) -> Canvases:
        """The crops themselves; decodes each frame once more."""
        samples = (sample for _, sample in pieces(self.frames, self.crops))
        return Canvases.of_samples(samples, len(self.frames.classes), preprocess)


def draw(config: TrainConfig, start: Bundle | None, fitted: Dataset) -> tuple[TrainConfig, Drawn | None, list[str]]:
    """The configuration with a judge of presence or without, the crops of ``fitted`` if needed, and what to warn of.

    There is a judge where one is asked for; else where the model that is begun with has one and crops can be drawn.
    Raises `NoCropsError` where they are asked for and no frame gives any.
    """
    negatives, crops, told = config.negatives, None, list[str]()
    judge = _has_judge(config, start) and can_be_judged(config) if negatives.judge is None else negatives.judge
    if judge or negatives.share > 0:
        try:
            crops = _draw(config, fitted)
        except NoCropsError as error:
            if negatives.judge or negatives.share > 0:
                raise
            told.append(f"no judge of presence is fitted, though what --from gives has one: {error}")
            judge = False
    if start is None:
        return config, crops, told
    return config.model_copy(update={"negatives": negatives.model_copy(update={"judge": judge})}), crops, told


def _has_judge(config: TrainConfig, start: Bundle | None) -> bool:
    return start is not None and bool(read_recorded(member_of(start, config.seed)).training.negatives.judge)


def _draw(config: TrainConfig, fitted: Dataset) -> Drawn:
    """Of so many frames that the crops fit into memory."""
    most = max(1, MOST // (2 * len(config.negatives.sizes)))
    some = fitted.select(range(0, len(fitted), max(1, ceil(len(fitted) / most))))
    with counted("draw crops without a nerve") as progress:
        return Drawn(some, draw_some_crops(some, config.negatives, progress))
