"""How long a frame takes in each engine and precision, all in turn on the same frames of the model's test part.

sononerve export RUN --precision int8 -o model.sono
python benchmarks/engines.py --model model.sono --data usgra-seg
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from statistics import median

from sononerve.data.dataset import load_dataset
from sononerve.errors import InputError
from sononerve.evaluate.run import scope_of
from sononerve.io.atomic import write_text
from sononerve.runtime.bundle import Bundle
from sononerve.runtime.engine import PRECISIONS, EngineChoice
from sononerve.runtime.engines import installed_engines
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.race import race
from sononerve.train.machine import describe_machine

FRAMES = 40
RESULT = Path(__file__).parent / "results" / "engines.json"


def main() -> None:
    """Time, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write what was found")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    told = parser.parse_args()
    bundle, dataset = Bundle.open(told.model), load_dataset(told.data)
    indices = scope_of(bundle, dataset).indices
    frames = [dataset[i].frame for i in indices[:: max(1, len(indices) // FRAMES)][:FRAMES]]
    predictors = {}
    for engine in installed_engines():
        for precision in PRECISIONS:
            try:
                predictors[f"{engine} {precision}"] = Predictor(bundle, EngineChoice(engine, precision))
            except InputError as error:
                print(f"{engine} {precision}: {error}")
    found = race(predictors, frames)
    rows = {
        name: {"median_ms": round(median(taken), 2), "slowest_ms": round(max(taken), 2)}
        for name, taken in found.items()
    }
    for name, row in rows.items():
        print(f"{name:20} {row['median_ms']:6.1f} ms, slowest {row['slowest_ms']:6.1f} ms")
    result = {
        "machine": describe_machine("cpu"),
        "cores": os.cpu_count(),
        "data": dataset.folder.name,
        "frames": len(frames),
        "sizes": sorted({f"{height} x {width}" for height, width in (frame.shape for frame in frames)}),
        "model": bundle.identity,
        "times": rows,
    }
    write_text(told.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
