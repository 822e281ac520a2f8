"""Frames in, segmentations out: the one predictor, for `predict`, for `evaluate`, and for programs. No PyTorch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame, Segmentation
from .answer import Answer, mean_of
from .bundle import GRAPH, Bundle
from .ways import ONCE, Ways

DISAGREEMENT = "disagreement"
"""The graph's output of an ensemble: ``(N, H, W)`` in 0..1."""


class Predictor:
    """Runs a bundle on the CPU with ONNX Runtime; one may be shared by threads.

    ``ways``: how each frame is looked at, beside once as it is.

    >>> predictor = Predictor.load("run")  # doctest: +SKIP
    >>> predictor.predict(frame).measurements[0].area_px  # doctest: +SKIP
    1432
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, ways: Ways = ONCE) -> None:
        self.bundle, self.ways = bundle, ways
        self.classes = bundle.config.classes
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(bundle.files[GRAPH], options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base class
            raise InputError(f"{bundle.source}: {GRAPH} cannot be run ({error}); export it again") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    @classmethod
    def load(cls, path: Path | str, threads: int | None = None, ways: Ways = ONCE) -> Predictor:
        """Open a run's folder, a bundle's folder or its zip; ``threads`` bounds the cores used (all by default)."""
        return cls(Bundle.open(path), threads, ways)

    @property
    def identity(self) -> str:
        """What tells this predictor's answers from another's: the bundle's identity, and the ways that are on."""
        return self.bundle.identity + self.ways.mark

    @property
    def tells_uncertainty(self) -> bool:
        """Whether several answers stand behind each of its own: those of an ensemble, or of a frame and its mirror."""
        return self.ways.flip or DISAGREEMENT in self._outputs

    def predict(self, frame: Frame) -> Segmentation:
        """Segment one frame at its own size."""
        return self.predict_batch([frame])[0]

    def predict_batch(self, frames: list[Frame]) -> list[Segmentation]:
        """Segment frames of one size together; raise `ValueError` where the sizes differ."""
        if not frames:
            return []
        if len({frame.shape for frame in frames}) != 1:
            raise ValueError(f"frames of {len({f.shape for f in frames})} sizes; expected one size in a batch")
        pixels = np.stack([frame.pixels for frame in frames])[:, None]
        looks = [self._look(pixels)]
        if self.ways.flip:
            looks.append(self._look(np.ascontiguousarray(pixels[..., ::-1])).mirrored())
        answer = mean_of(looks)
        return [self._segmentation(frame, answer, i) for i, frame in enumerate(frames)]

    def _look(self, pixels: NDArray[np.uint8]) -> Answer:
        found = dict(zip(self._outputs, self._session.run(None, {"frame": pixels}), strict=True))
        return Answer(found["probabilities"], found.get("presence"), found.get(DISAGREEMENT))

    def _segmentation(self, frame: Frame, answer: Answer, i: int) -> Segmentation:
        probabilities = answer.probabilities[i]
        labels = label_map(probabilities, self.bundle.config.threshold)
        share = self.bundle.config.nerve_share
        seen = presence_of(probabilities[0], share) if answer.presence is None else float(answer.presence[i])
        uncertainty = None if answer.disagreement is None else answer.disagreement[i]
        return Segmentation(frame, labels, probabilities, self.classes, seen, uncertainty)


def label_map(probabilities: NDArray[np.float32], threshold: float = 0.5) -> NDArray[np.uint8]:
    """Labels ``(H, W)`` from probabilities ``(C, H, W)``: the likeliest class where all together reach ``threshold``.

    With one class and 0.5 this is the usual rule.
    """
    winner = probabilities.argmax(0).astype(np.uint8) + np.uint8(1)
    return np.where(probabilities.sum(0) > threshold, winner, np.uint8(0)).astype(np.uint8)


def presence_of(nerve: NDArray[np.float32], share: float) -> float:
    """How likely a nerve is in the frame, where the network has no head for it: 0..1.

    The mean over the likeliest pixels of ``nerve`` ``(H, W)``, as many as a nerve covers: ``share`` of the frame. So a
    bright speck counts little.
    """
    count = max(1, round(share * nerve.size))
    return float(np.partition(nerve.ravel(), -count)[-count:].mean())
