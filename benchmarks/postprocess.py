"""What post-processing chosen on the tune part gains on the test part, for finished runs, beside looser choices.

python benchmarks/postprocess.py --data usgra-seg RUN RUN ...
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from sononerve.data.dataset import load_dataset
from sononerve.evaluate.run import Evaluation, evaluate
from sononerve.evaluate.statistics import paired_difference
from sononerve.runtime.bundle import Bundle
from sononerve.train import postprocess
from sononerve.train.export import configured

LEVELS = (0.99, 0.6)
RESULT = Path(__file__).parent / "results" / "postprocess.json"


def main() -> None:
    """Choose, score, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("runs", type=Path, nargs="+")
    told = parser.parse_args()
    dataset = load_dataset(told.data)
    rows: list[dict[str, object]] = []
    for run in told.runs:
        bundle = Bundle.open(run)
        before = evaluate(bundle, dataset)
        for level in LEVELS:
            postprocess.LEVEL = level
            chosen = postprocess.choose_postprocess(bundle, dataset)
            rules = chosen.postprocess.model_dump(mode="json")
            after = evaluate(configured(bundle, {"postprocess": rules}), dataset)
            gain = paired_difference(_dice(after), _dice(before), [result.group for result in before.results])
            rows.append({"run": run.name, "level": level, "gain": asdict(gain), "reasons": chosen.reasons})
            print(f"{run.name:32} {level:4} {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] {chosen.reasons}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"data": dataset.folder.name, "rows": rows}, indent=1) + "\n")


def _dice(evaluation: Evaluation) -> list[float]:
    """For each frame the mean of its classes' Dice, and 1 for a class that is nowhere."""
    return [sum(one.kaggle for one in r.classes.values()) / len(r.classes) for r in evaluation.results]


if __name__ == "__main__":
    main()
