"""Frames in, segmentations out: the one predictor, for `predict`, for `evaluate`, and for programs. No PyTorch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame, Segmentation
from .bundle import GRAPH, Bundle


class Predictor:
    """Runs a bundle on the CPU with ONNX Runtime; one may be shared by threads.

    >>> predictor = Predictor.load("run")  # doctest: +SKIP
    >>> predictor.predict(frame).measurements[0].area_px  # doctest: +SKIP
    1432
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.bundle = bundle
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
    def load(cls, path: Path | str, threads: int | None = None) -> Predictor:
        """Open a run's folder, a bundle's folder or its zip; ``threads`` bounds the cores used (all by default)."""
        return cls(Bundle.open(path), threads)

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
        answers = dict(zip(self._outputs, self._session.run(None, {"frame": pixels}), strict=True))
        presence = answers.get("presence")
        return [
            self._segmentation(frame, answers["probabilities"][i], None if presence is None else float(presence[i]))
            for i, frame in enumerate(frames)
        ]

    def _segmentation(self, frame: Frame, probabilities: NDArray[np.float32], presence: float | None) -> Segmentation:
        labels = label_map(probabilities, self.bundle.config.threshold)
        share = self.bundle.config.nerve_share
        seen = presence_of(probabilities[0], share) if presence is None else presence
        return Segmentation(frame, labels, probabilities, self.classes, seen)


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
