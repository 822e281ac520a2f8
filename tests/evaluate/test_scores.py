"""From scored frames to what is told, by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from sononerve.evaluate.boxes import BoxScores
from sononerve.evaluate.metrics import score_frame
from sononerve.evaluate.scores import FrameResult, Scores, summarise

TRUTH = np.zeros((20, 20), bool)
TRUTH[5:10, 5:15] = True
HALF = np.zeros((20, 20), bool)
HALF[5:10, 10:20] = True
NOTHING = np.zeros((20, 20), bool)


def result(
    group: str,
    truth: np.ndarray,
    found: np.ndarray,
    presence: float = 0.5,
    other: tuple[np.ndarray, np.ndarray] = (NOTHING, NOTHING),
    boxes: BoxScores | None = None,
) -> FrameResult:
    """One frame with a nerve and perhaps a vessel."""
    scored = {"nerve": score_frame(truth, found, None), "vessel": score_frame(*other, None)}
    return FrameResult(f"{group}.png", group, None, presence, bool(truth.any()), scored, boxes)


RESULTS = [
    result("A", TRUTH, TRUTH, 0.9),
    result("A", TRUTH, HALF, 0.8),
    result("B", TRUTH, NOTHING, 0.1, (TRUTH, TRUTH)),
    result("B", NOTHING, HALF, 0.6),
    result("C", NOTHING, NOTHING, 0.0),
]


def test_means_are_over_the_frames_that_define_a_score_and_a_miss_is_zero() -> None:
    nerve = summarise(RESULTS, ["nerve", "vessel"]).classes["nerve"]
    assert (nerve.with_class, nerve.without) == (3, 2)
    assert nerve.scores["dice"].value == pytest.approx((1 + 0.5 + 0) / 3)
    assert nerve.scores["kaggle"].value == pytest.approx((1 + 0.5 + 0 + 0 + 1) / 5)
    assert nerve.scores["hd95"].value >= np.hypot(20, 20) / 3
    assert nerve.median_dice == 0.5
    assert nerve.missed.value == pytest.approx(1 / 3)
    assert nerve.false_positive_rate.value == 0.5


def test_subjects_count_alike_in_the_mean_of_subjects() -> None:
    nerve = summarise(RESULTS, ["nerve", "vessel"]).classes["nerve"]
    assert nerve.dice_by_subject == pytest.approx({"A": 0.75, "B": 0.0})
    assert nerve.dice_mean_of_subjects.value == pytest.approx(0.375)


def test_a_class_absent_from_a_frame_counts_only_in_its_false_positive_rate() -> None:
    vessel = summarise(RESULTS, ["nerve", "vessel"]).classes["vessel"]
    assert (vessel.with_class, vessel.without) == (1, 4)
    assert vessel.scores["dice"].value == 1
    assert vessel.false_positive_rate.value == 0


def test_presence_is_ranked_over_all_frames() -> None:
    """0.9, 0.8 and 0.1 against 0.6 and 0: five of six pairs in order."""
    assert summarise(RESULTS, ["nerve", "vessel"]).presence_auroc.value == pytest.approx(5 / 6)


def test_presence_is_not_ranked_where_every_frame_has_a_nerve() -> None:
    assert summarise(RESULTS[:3], ["nerve", "vessel"]).presence_auroc is None


def test_a_class_that_no_frame_holds_has_no_dice_but_a_false_positive_rate() -> None:
    found = summarise(RESULTS[3:], ["nerve", "vessel"])
    nerve = found.classes["nerve"]
    assert nerve.scores["dice"] is None
    assert nerve.median_dice is None
    assert nerve.dice_by_subject == {}
    assert nerve.false_positive_rate.value == 0.5


def test_boxes_are_averaged_over_the_frames_that_have_some() -> None:
    boxed = [result("A", TRUTH, HALF, boxes=BoxScores(0.5, 1.0)), result("B", TRUTH, HALF, boxes=BoxScores(0.1, 0.0))]
    found = summarise([*boxed, *RESULTS], ["nerve", "vessel"])
    assert found.pixels_inside_boxes.value == pytest.approx(0.3)
    assert found.boxes_touched.value == pytest.approx(0.5)
    assert summarise(RESULTS, ["nerve", "vessel"]).boxes_touched is None


def test_presence_is_scored_by_its_squares_only_where_frames_of_both_kinds_are() -> None:
    """0.9, 0.8 and 0.1 of frames with a nerve, 0.6 and 0 of those without."""
    brier = summarise(RESULTS, ["nerve", "vessel"]).presence_brier
    assert brier.value == pytest.approx((0.01 + 0.04 + 0.81 + 0.36 + 0) / 5)
    assert summarise(RESULTS[:3], ["nerve", "vessel"]).presence_brier is None


def test_uncertainty_is_ranked_against_dice_where_something_was_found() -> None:
    """Dice 1, 0.5 and 1 with uncertainty 0.1, 0.9 and 0.2: the worst is the most uncertain."""
    told = [(TRUTH, 0.1), (HALF, 0.9), (TRUTH, 0.2), (NOTHING, None)]
    results = [
        replace(result(f"{i}", TRUTH, found), uncertainty={"nerve": uncertain, "vessel": None})
        for i, (found, uncertain) in enumerate(told)
    ]
    found = summarise(results, ["nerve", "vessel"]).classes
    assert found["nerve"].uncertainty_against_dice.value == pytest.approx(spearmanr([0.1, 0.9, 0.2], [1, 0.5, 1])[0])
    assert found["nerve"].uncertainty_against_dice.frames == 3
    assert found["vessel"].uncertainty_against_dice is None


def test_the_expected_dice_is_held_against_the_true_one_where_something_was_found() -> None:
    """Dice 1, 0.5 and 0 were expected to be 0.9, 0.8 and 0.5; on a miss nothing is expected."""
    elsewhere = np.roll(TRUTH, 10, axis=0)
    told = [(TRUTH, 0.9), (HALF, 0.8), (elsewhere, 0.5), (NOTHING, None)]
    results = [
        replace(result(f"{i}", TRUTH, found), expected_dice={"nerve": expected, "vessel": None})
        for i, (found, expected) in enumerate(told)
    ]
    found = summarise(results, ["nerve", "vessel"]).classes
    forecast = found["nerve"].forecast
    assert forecast.bias.value == pytest.approx((-0.1 + 0.3 + 0.5) / 3)
    assert forecast.against_dice.value == pytest.approx(1)
    assert forecast.failures.value == 1
    assert forecast.bias.frames == 3
    assert found["vessel"].forecast is None
    assert summarise(results[:2], ["nerve", "vessel"]).classes["nerve"].forecast.failures is None


@pytest.mark.parametrize("results", [RESULTS, RESULTS[3:], RESULTS[:1], RESULTS[4:]])
def test_the_json_holds_no_value_that_is_not_json(results: list[FrameResult]) -> None:
    scores = Scores(
        sononerve="0",
        model="m",
        data="d",
        part="test",
        split="by subject",
        warnings=("careful",),
        left_out={},
        truth="masks",
        unit="px",
        overall=summarise(results, ["nerve", "vessel"]),
        by_annotator={},
    )

    def refuse(word: str) -> None:
        pytest.fail(f"the JSON holds {word}")

    told = json.loads(scores.to_json(), parse_constant=refuse)
    assert told["overall"]["frames"] == len(results)
    assert told["warnings"] == ["careful"]


def test_dice_of_a_frame_is_the_mean_of_the_classes_it_holds() -> None:
    assert result("A", TRUTH, HALF, other=(TRUTH, TRUTH)).dice == pytest.approx(0.75)
    assert result("A", TRUTH, HALF).dice == pytest.approx(0.5)
    assert result("A", NOTHING, HALF).dice is None
