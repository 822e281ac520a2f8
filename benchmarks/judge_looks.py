"""How many frames and crops a judge of presence needs, and how many looks at each.

    python benchmarks/judge_looks.py usgra-seg --runs release-fold0 release-fold1 release-fold2

The folders are those of `scripts/train_release.py`: ``student``, a run, and ``crops`` of its held-out frames. Each
network looks at all frames and crops of its fit part, four times at each. Then judges are fitted to some of what it
saw, drawn several times, and asked about the crops and the whole frames of the test part.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sononerve.data.canvases import Canvases
from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.module import VariedFrames
from sononerve.data.split import Split
from sononerve.evaluate.metrics import presence_auroc
from sononerve.io.atomic import write_text
from sononerve.models.judge import summary
from sononerve.models.unet import UNet
from sononerve.process import keep_memory
from sononerve.runtime.bundle import Bundle
from sononerve.train.config import TrainConfig
from sononerve.train.crops import draw
from sononerve.train.judge import EMPTY, LOOKS, fit_line, look_at, mixed
from sononerve.train.restore import restore
from sononerve.train.run import CONFIG, SPLIT

RESULT = Path(__file__).parent / "results" / "judge_looks.json"
PIECES = (40, 80, 160, 280, None)
DRAWS = 8


@dataclass(frozen=True)
class Seen:
    """What a network makes of pieces: ``features`` ``(n, looks, K)``, whether a nerve is ``present`` in each look."""

    features: NDArray[np.float32]
    present: NDArray[np.bool_]


def seen(network: UNet, part: Canvases, varied: VariedFrames, looks: int) -> Seen:
    """Every frame of ``part``, looked at so often."""
    features, present = [], list[bool]()
    for frames, told in look_at(part, range(len(part)), varied, looks):
        with torch.no_grad():
            features.append(summary(network.features(frames)).numpy())
        present += told
    whole = np.concatenate(features)
    return Seen(whole.reshape(len(part), looks, -1), np.array(present).reshape(len(part), looks))


def parts(data: Dataset, folder: Path) -> dict[str, Seen]:
    """What the student of a fold sees of the frames and crops that it is fitted to, and that are held out."""
    run = folder / "student"
    network, preprocess = restore(Bundle.open(run))
    assert isinstance(network, UNet)
    network.eval()
    config, split, crops = TrainConfig.read(run / CONFIG), Split.read(run / SPLIT), load_dataset(folder / "crops")
    fit, test = (data.select(split.indices(data, config.data.fold, part)) for part in ("fit", "test"))
    drawn = draw(config, None, fit)[1]
    assert drawn is not None

    def canvases(frames: Dataset) -> Canvases:
        return Canvases.of_samples((frames[i] for i in range(len(frames))), len(frames.classes), preprocess)

    shown = {"frames": (canvases(fit), LOOKS), "crops": (drawn.canvases(preprocess), LOOKS)}
    shown |= {"held-out frames": (canvases(test), 1), "held-out crops": (canvases(crops), 1)}
    varied = VariedFrames(shown["frames"][0], preprocess, config.augment, config.seed)
    return {name: seen(network, part, varied, looks) for name, (part, looks) in shown.items()}


def judged(found: dict[str, Seen], most: int, looks: int, seed: int) -> tuple[float, float, float]:
    """AUROC on held-out crops, share of empty ones that are marked, share of frames with a nerve that are kept."""
    places = mixed(most, len(found["frames"].present), len(found["crops"].present), seed)
    taken = [(found[name], some) for name, some in zip(("frames", "crops"), places, strict=True)]
    features = np.concatenate([one.features[some, :looks].reshape(-1, one.features.shape[-1]) for one, some in taken])
    present = np.concatenate([one.present[some, :looks].ravel() for one, some in taken])
    weight, bias = fit_line(torch.from_numpy(features), torch.from_numpy(present))

    def presence(one: Seen) -> NDArray[np.float64]:
        return np.asarray(torch.sigmoid(torch.from_numpy(one.features[:, 0]) @ weight + bias).double().numpy())

    crops, frames = found["held-out crops"], found["held-out frames"]
    told, auroc = presence(crops), presence_auroc(presence(crops), crops.present[:, 0])
    assert auroc is not None
    marked, kept = told[~crops.present[:, 0]] >= EMPTY, presence(frames)[frames.present[:, 0]] >= EMPTY
    return auroc, float(marked.mean()), float(kept.mean())


def main() -> None:
    """Look, fit, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    told = parser.parse_args()
    keep_memory()
    data = load_dataset(told.data)
    folds = [parts(data, folder) for folder in told.runs]
    sizes = [len(fold["frames"].present) + len(fold["crops"].present) for fold in folds]
    rows = []
    for most in PIECES:
        for looks in (4, 2, 1):
            draws = range(DRAWS if most is not None else 1)
            values = np.array([judged(fold, most or max(sizes), looks, seed) for fold in folds for seed in draws])
            row = dict(zip(("auroc", "empty_crops_marked", "whole_frames_kept"), values.mean(0).round(3), strict=True))
            rows.append({"pieces": most, "looks": looks, "auroc_sd": values.std(0)[0].round(3)} | row)
            print(rows[-1], flush=True)
    result = {"data": told.data.name, "runs": [one.name for one in told.runs], "all_pieces": sizes, "draws": DRAWS}
    write_text(RESULT, json.dumps(result | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
