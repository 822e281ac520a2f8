"""What the fitted temperature of the mask brings: each run as it is, and with its logits as the network tells them.

python benchmarks/temperature.py DATA --models RUN RUN
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import yaml

from sononerve import load_dataset
from sononerve.evaluate.run import evaluate
from sononerve.process import keep_memory
from sononerve.runtime.bundle import CONFIG, GRAPH, Bundle
from sononerve.train.calibrate import UNCHANGED
from sononerve.train.graph import bundle_graph
from sononerve.train.restore import restore

RESULTS = Path(__file__).parent / "results" / "temperature.json"


def without(bundle: Bundle) -> Bundle:
    """The same network, its logits divided by nothing."""
    model, preprocess = restore(bundle)
    graph = bundle_graph(model, preprocess, len(bundle.config.classes), UNCHANGED)
    return replace(bundle, files={**bundle.files, GRAPH: graph})


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    keep_memory()
    dataset = load_dataset(given.data)
    rows = []
    for folder in given.models:
        bundle = Bundle.open(folder)
        recorded = yaml.safe_load(bundle.files[CONFIG])
        for name, judged in (("fitted", bundle), ("1", without(bundle))):
            overall = evaluate(judged, dataset).scores.overall
            row: dict[str, object] = {
                "run": folder.name,
                "network": recorded["training"]["model"],
                "temperature": round(recorded["temperature"]["mask"], 3) if name == "fitted" else 1,
            }
            for class_name, found in overall.classes.items():
                dice, calibration = found.scores["dice"], found.calibration
                assert dice is not None and calibration is not None
                told = {"dice": dice, "error": calibration.error, "error_near": calibration.error_near}
                row[class_name] = {key: None if value is None else round(value.value, 4) for key, value in told.items()}
            rows.append(row)
            print(row)
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps(known | {given.data.name: rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
