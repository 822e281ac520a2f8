"""One system of `against.py`: segments the frames of a folder as often as it is told on its standard input."""

from __future__ import annotations

import importlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Segment = Callable[[Sequence[Path], Path], None]


def main() -> None:
    """Segment one frame, say so, and then so many as each line says."""
    kind, model, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    files = sorted(folder.iterdir())
    segment = {"sononerve": many, "single": one_by_one, "eager": eager, "smp": smp}[kind](model)
    _run(segment, files[:1], out)
    for line in sys.stdin:
        _run(segment, (files * (1 + int(line) // len(files)))[: int(line)], out)


def _run(segment: Segment, files: Sequence[Path], out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began, used = time.perf_counter(), time.process_time()
    segment(files, out)
    told = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - used}
    print(json.dumps(told | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


def many(model: Path) -> Segment:
    """As `sononerve predict --no-overlays`."""
    from sononerve.process import keep_memory
    from sononerve.runtime.files import Wanted, list_files, predict_files
    from sononerve.runtime.predictor import Predictor

    keep_memory()
    predictor = Predictor.load(model)

    def segment(files: Sequence[Path], out: Path) -> None:
        predict_files(predictor, list_files(files), out, Wanted(overlays=False))

    return segment


def one_by_one(model: Path) -> Segment:
    """Read, predict, write, and only then the next."""
    from sononerve.io.frames import read_frame
    from sononerve.io.images import write_png
    from sononerve.process import keep_memory
    from sononerve.runtime.predictor import Predictor

    keep_memory()
    predictor = Predictor.load(model)

    def segment(files: Sequence[Path], out: Path) -> None:
        for number, file in enumerate(files):
            write_png(out / f"{number}.png", predictor.predict(read_frame(file)).labels)

    return segment


def eager(model: Path) -> Segment:
    """The network of the bundle in PyTorch as it is trained, scaling and all."""
    import torch

    from sononerve.models.output import probabilities
    from sononerve.runtime.bundle import Bundle
    from sononerve.runtime.postprocess import label_map
    from sononerve.train.restore import restore

    network, preprocess = restore(Bundle.open(model))

    def segment(files: Sequence[Path], out: Path) -> None:
        for number, file in enumerate(files):
            pixels = _read(file)
            canvas = preprocess.normalise(preprocess.frame(pixels))
            with torch.inference_mode():
                found = probabilities(network(torch.from_numpy(canvas)[None, None]).logits)[0].numpy()
            whole = preprocess.restore(found, pixels.shape, preprocess.area(pixels))
            _write(out / f"{number}.png", label_map(whole))

    return segment


def smp(_: Path) -> Segment:
    """What a published notebook does: ResNet-34 encoder, the frame padded to a multiple of 32, sigmoid, 0.5."""
    import torch
    from torch.nn import functional as F

    from sononerve.torchvision import make_importable

    make_importable()
    models = importlib.import_module("segmentation_models_pytorch")
    network = models.Unet("resnet34", encoder_weights=None, in_channels=1, classes=2).eval()

    def segment(files: Sequence[Path], out: Path) -> None:
        for number, file in enumerate(files):
            pixels = _read(file)
            height, width = pixels.shape
            frame = torch.from_numpy(pixels)[None, None].float() / 255
            with torch.inference_mode():
                found = network(F.pad(frame, (0, -width % 32, 0, -height % 32)))[0, :, :height, :width].sigmoid()
            nerve, vessel = (found > 0.5).numpy()
            _write(out / f"{number}.png", np.where(nerve, 1, np.where(vessel, 2, 0)).astype(np.uint8))

    return segment


def _read(file: Path) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), np.uint8)


def _write(file: Path, labels: NDArray[np.uint8]) -> None:
    import cv2

    cv2.imwrite(str(file), labels)


if __name__ == "__main__":
    main()
