"""What a finished training is told to have done, from the logs that it left."""

from __future__ import annotations

from pathlib import Path

from sononerve.train.callbacks import LOG
from sononerve.train.compare.score import learning_curve
from sononerve.train.refine import COARSE, REFINER, STAGES


def test_the_curve_of_a_refined_training_is_that_of_its_refiner(tmp_path: Path) -> None:
    stages = {COARSE: 0.3, REFINER: 0.44, "without-1": 0.21, "without-2": 0.22}
    for name, dice in stages.items():
        folder = tmp_path / STAGES / name
        folder.mkdir(parents=True)
        (folder / LOG).write_text(f"step,tune_dice_nerve\n4,0.1\n8,{dice}\n")
    assert [(look.step, look.dice["nerve"]) for look in learning_curve(tmp_path, ("nerve",))] == [(4, 0.1), (8, 0.44)]
