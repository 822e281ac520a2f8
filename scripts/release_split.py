"""Draw the frames that the search for the released model never sees, and the folds that it may use.

python scripts/release_split.py usgra-seg docs/results/release

``outside.json``: a fifth of the clusters is its test part, scored once, at the end. ``search.json``: three folds of the
rest; a training with it knows nothing of the fifth. Neither is drawn again where it is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sononerve.data.dataset import load_dataset
from sononerve.data.split import split
from sononerve.errors import InputError

SEED, OUTSIDE, FOLDS = 7, 0.2, 3


def main() -> None:
    """Draw both, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    if any((told.out / name).exists() for name in ("outside.json", "search.json")):
        raise InputError(f"{told.out}: holds a drawn split already; what was outside once stays outside")
    dataset = load_dataset(told.data)
    outside = split(dataset, test=OUTSIDE, seed=SEED)
    kept = set(outside.fold(0).test)
    rest = dataset.select([i for i, name in enumerate(dataset.names) if name not in kept])
    told.out.mkdir(parents=True, exist_ok=True)
    outside.write(told.out / "outside.json")
    search = split(rest, folds=FOLDS, seed=SEED)
    search.write(told.out / "search.json")
    for number, fold in enumerate(search.folds):
        print(f"fold {number}: {len(fold.fit)} fit, {len(fold.tune)} tune, {len(fold.test)} test")
    print(f"outside: {len(kept)} of {len(dataset)} frames")


if __name__ == "__main__":
    main()
