"""How often frames are strange to a model that knows three quarters of a data set's groups: others of it, and pictures.

python benchmarks/strangeness.py --data usgra-seg --other brachial-plexus
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import find_groups
from sononerve.runtime.appearance import Appearance
from sononerve.train.appearance import learn_appearance

SEEDS, KNOWN, MOST = 5, 0.75, 300
PHOTOS = ("chelsea", "astronaut", "coffee", "camera", "coins", "page", "brick", "grass", "gravel", "moon", "text")
RESULT = Path(__file__).parent / "results" / "strangeness.json"


def main() -> None:
    """Measure with five draws of what is known, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    told = parser.parse_args()
    dataset, other = load_dataset(told.data), load_dataset(told.other)
    groups, pictures = find_groups(dataset)[1], photos()
    elsewhere = other.select(np.unique(np.linspace(0, len(other) - 1, MOST).astype(int)).tolist())
    found: dict[str, list[float]] = {"left out": [], told.other.name: [], "pictures": []}
    for seed in range(SEEDS):
        names = sorted(set(groups))
        random.Random(seed).shuffle(names)
        known = set(names[: round(KNOWN * len(names))])
        fitted = [i for i, group in enumerate(groups) if group in known]
        appearance = learn_appearance(dataset.select(fitted), [groups[i] for i in fitted])
        if appearance is None:
            raise SystemExit(f"{told.data}: too few groups")
        left_out = dataset.select([i for i, group in enumerate(groups) if group not in known])
        found["left out"].append(_share(appearance, left_out))
        found[told.other.name].append(_share(appearance, elsewhere))
        found["pictures"].append(float(np.mean([appearance.strangeness(one) > 1 for one in pictures])))
    result = {"data": told.data.name, "known": KNOWN, "pictures": len(pictures), "strange": found}
    print(json.dumps(result, indent=1))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def photos() -> list[NDArray[np.uint8]]:
    """Photos and textures in grey levels, and pictures of nothing."""
    grey = [np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("L")) for name in PHOTOS]
    noise = np.random.default_rng(0).integers(0, 256, (400, 500)).astype(np.uint8)
    return [*grey, noise, np.zeros((300, 400), np.uint8), np.full((300, 400), 255, np.uint8)]


def _share(appearance: Appearance, dataset: Dataset) -> float:
    """Of the frames, how many are strange: 0..1."""
    return float(np.mean([appearance.strangeness(dataset[i].frame.pixels) > 1 for i in range(len(dataset))]))


if __name__ == "__main__":
    main()
