"""What early filtering saves and what it costs, as a curve: time and lost nerves by the sensitivity asked for.

The threshold of each sensitivity comes from the tune part; what is told is measured on the test part. Every frame is
looked at whole and filtered in turn, so that a busy machine slows both; the time saved is a ratio.

    python benchmarks/early_filter.py DATA --model RUN
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sononerve import Frame, InputError, Segmentation, load_dataset
from sononerve.evaluate.run import Evaluation, evaluate
from sononerve.evaluate.statistics import bootstrap_interval
from sononerve.process import keep_memory
from sononerve.runtime.bundle import Bundle
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.ways import Ways

RESULTS = Path(__file__).parent / "results" / "early_filter.json"
SENSITIVITIES = (0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)


def timed(predictor: Predictor, frame: Frame) -> tuple[float, Segmentation]:
    """Seconds of a look, after one that is not timed."""
    predictor.predict(frame)
    began = time.perf_counter()
    answer = predictor.predict(frame)
    return time.perf_counter() - began, answer


def point(sensitivity: float, whole: Evaluation) -> dict[str, object]:
    """What asking for this sensitivity saves and costs on the frames of ``whole``."""
    bundle, dataset = whole.predictor.bundle, whole.dataset
    predictor = Predictor(bundle, ways=Ways(sensitivity=sensitivity))
    spent, spent_whole, passed = 0.0, 0.0, []
    for i in whole.indices:
        frame = dataset[i].frame
        spent_whole += timed(whole.predictor, frame)[0]
        seconds, answer = timed(predictor, frame)
        spent += seconds
        passed.append(answer.presence >= predictor.threshold)
    kept, present = np.array(passed), np.array([r.present for r in whole.results])
    groups = np.array([r.group for r in whole.results])
    recall = bootstrap_interval(kept[present].astype(float), groups[present].tolist())
    found = evaluate(bundle, dataset, ways=predictor.ways).scores.overall.classes[dataset.classes[0]]
    return {
        "sensitivity_asked": sensitivity,
        "threshold": round(predictor.threshold, 4),
        "nerves_passed": [round(v, 4) for v in (recall.value, recall.low, recall.high) if v is not None],
        "empty_filtered": round(float((~kept[~present]).mean()), 4) if (~present).any() else None,
        "frames_filtered": round(float((~kept).mean()), 4),
        "time_ratio": round(spent / spent_whole, 4),
        "dice": None if found.scores["dice"] is None else round(found.scores["dice"].value, 4),
        "empty_marked": None if found.false_positive_rate is None else round(found.false_positive_rate.value, 4),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    given = parser.parse_args()
    keep_memory()
    whole = evaluate(Bundle.open(given.model), load_dataset(given.data))
    rows = []
    for sensitivity in SENSITIVITIES:
        try:
            rows.append(point(sensitivity, whole))
        except InputError as error:  # more than the tune part can show
            print(error)
        else:
            print(rows[-1])
    told = {
        "command": f"python benchmarks/early_filter.py {given.data.name} --model {given.model.name}",
        "frames": len(whole.results),
        "with_nerve": sum(r.present for r in whole.results),
        "curve": rows,
    }
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps(known | {given.data.name: told}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
