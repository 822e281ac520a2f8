"""What may be said of two networks, worked out by hand on few frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from sononerve.evaluate.boxes import BoxScores
from sononerve.evaluate.contrast import against_one, all_pairs, measures, verdict
from sononerve.evaluate.statistics import Interval
from sononerve.train.compare.comparison import shared_cells, summarise_results
from sononerve.train.compare.latency import Latency
from sononerve.train.compare.results import Result
from sononerve.train.compare.tables import grids, markdown

Make = Callable[..., Result]

BASE: list[float | None] = [
    0.50,
    0.52,
    0.61,
    0.60,
    0.70,
    0.69,
    0.40,
    0.41,
    0.55,
    0.54,
    0.30,
    0.31,
    0.45,
    0.44,
    None,
    None,
]
SAME = Latency(ms=10, ratio=1, frames=15, together=True)


def shifted(*steps: float) -> list[float | None]:
    """``BASE`` with the first step added to its first subject's two frames, and so on."""
    return [d if d is None else d + steps[i // 2 % len(steps)] for i, d in enumerate(BASE)]


def compared(*results: Result, scores: Sequence[str] = ("dice",)):
    found = {result.label: [other for other in results if other.label == result.label] for result in results}
    latencies = dict.fromkeys(found, SAME)
    return summarise_results(
        found, results[0].label, latencies, notes=(), failures=(), command="", recipe={}, scores=scores
    )


def test_better_worse_and_a_tie(result: Make) -> None:
    lines = [("a", BASE), ("up", shifted(0.1, 0.05)), ("down", shifted(-0.1, -0.04)), ("even", shifted(0.1, -0.1))]
    found = compared(*(result(label, dice) for label, dice in lines))
    told = {contrast.label: contrast for contrast in found.contrasts}
    assert {label: contrast.verdict for label, contrast in told.items()} == {
        "up": "better",
        "down": "worse",
        "even": "tie",
    }
    assert told["up"].difference.value == pytest.approx((4 * 0.1 + 3 * 0.05) / 7)
    assert told["up"].p == pytest.approx(2 / 2**7)  # seven subjects, all better
    assert told["up"].p_holm == pytest.approx(3 * 2 / 2**7)
    grid = {grid.title: grid for grid in grids(found)}["against a"]
    assert [row[3] for row in grid.rows] == ["better", "worse", "tie"]


def test_a_model_that_calls_the_groups_otherwise_is_compared_by_those_of_the_reference(result: Make) -> None:
    up = result("up", shifted(0.1, 0.05))
    renamed = up.model_copy(
        update={"frames": tuple(replace(frame, group=f"{frame.group} of split 1") for frame in up.frames)}
    )
    pairs = ((result("a", BASE), up), (result("a", BASE), renamed))
    first, second = [compared(*pair).contrasts for pair in pairs]
    assert first == second


def test_a_mean_that_is_higher_is_still_a_tie_while_the_interval_holds_0() -> None:
    assert verdict(Interval(0.1, 0.0, 0.2, 20, 40)) == "tie"
    assert verdict(Interval(0.1, 0.01, 0.2, 20, 40)) == "better"
    assert verdict(Interval(0.1, None, None, 1, 40)) == "tie"


def test_with_five_subjects_nothing_is_better(result: Make) -> None:
    found = compared(result("a", BASE[:10]), result("up", shifted(0.1)[:10]))
    (contrast,) = found.contrasts
    assert (contrast.verdict, contrast.p, contrast.p_holm) == ("tie", None, None)


def test_seeds_are_averaged_before_anything_is_paired(result: Make) -> None:
    """Two seeds 0.2 up and 0.2 down are no difference at all."""
    seeds = [result("b", shifted(0.2)), result("b", shifted(-0.2), seed=1)]
    found = compared(result("a", BASE), result("a", BASE, seed=1), *seeds)
    assert found.contrasts[0].difference.value == pytest.approx(0, abs=1e-12)
    assert found.frames == 16
    assert found.lines[1].runs == 2


def test_folds_are_pooled(result: Make) -> None:
    found = compared(result("a", BASE), result("a", shifted(0.1), fold=1))
    dice = found.lines[0].summary.classes["nerve"].scores["dice"]
    assert dice is not None
    assert dice.value == pytest.approx(sum(d for d in BASE if d) / 14 + 0.05)
    assert (found.frames, found.groups, dice.subjects) == (32, 16, 14)


def test_pairs_go_both_ways_and_count_once_in_the_correction(result: Make) -> None:
    results = {label: [result(label, dice)] for label, dice in (("a", BASE), ("b", shifted(0.1, 0.05)))}
    measured = measures(("nerve",), boxes=False)
    (one,) = against_one(results, "a", measured)
    there, back = all_pairs(results, measured)
    assert (there.label, there.verdict, back.label, back.verdict) == ("a", "worse", "b", "better")
    assert back.difference.low == pytest.approx(one.difference.low, abs=0.01)
    assert there.p_holm == there.p == back.p_holm


def test_only_folds_and_seeds_that_all_have_are_shared(result: Make) -> None:
    results = [
        result("a", BASE),
        result("a", BASE, fold=1),
        result("a", BASE, seed=1),
        result("b", BASE),
        result("b", BASE, fold=2),
    ]
    assert shared_cells(results) == ((0, 0),)
    assert shared_cells([]) == ()


def test_against_boxes_what_boxes_can_tell_is_held_against_each_other_too(result: Make) -> None:
    def boxed(label: str, inside: float) -> Result:
        frames = [
            replace(frame, boxes=BoxScores(inside + i / 100, 1.0)) for i, frame in enumerate(result("", BASE).frames)
        ]
        return result(label, BASE, truth="boxes", frames=tuple(frames))

    found = compared(boxed("a", 0.5), boxed("b", 0.6))
    assert [(contrast.measure, contrast.verdict) for contrast in found.contrasts] == [
        ("predicted pixels inside boxes", "better"),
        ("boxes touched", "tie"),
        ("Dice nerve", "tie"),
    ]
    page = markdown(found, "picture.png")
    assert "| Dice against boxes |" in page
    assert "| AUROC of boxed against unboxed | predicted pixels inside boxes | boxes touched |" in page


def test_of_what_should_be_small_less_is_better(result: Make) -> None:
    def marking(label: str, outside: float) -> Result:
        frames = [
            replace(f, classes={"nerve": replace(f.classes["nerve"], outside=outside * (1 + i / 100))})
            for i, f in enumerate(result("", BASE).frames)
        ]
        return result(label, BASE, frames=tuple(frames))

    found = compared(marking("a", 0.02), marking("b", 0.01), scores=("surface_dice", "outside"))
    assert {contrast.measure: contrast.verdict for contrast in found.contrasts} == {
        "surface Dice nerve": "tie",
        "background marked nerve": "better",
    }
    backwards = {(pair.label, pair.measure): pair.verdict for pair in found.pairs}
    assert backwards["a", "background marked nerve"] == "worse"


def test_another_width_of_the_same_network_is_told_and_of_another_only_named(result: Make) -> None:
    def planned(label: str, model: str, width: int) -> Result:
        plan = result("", BASE).plan.model_copy(update={"network": {"width": width}})
        return result(label, BASE, model=model, plan=plan)

    found = compared(planned("a", "unet", 48), planned("b", "unet", 24), planned("c", "attention-unet", 32))
    assert [note for note in found.notes if "width" in note] == [
        "the plan chose another width of unet for some: a 48, b 24; --set network.width says it"
    ]
    assert "attention-unet, width 32" in markdown(found, "picture.png")


def test_another_canvas_is_told(result: Make) -> None:
    wide = result("b", BASE).plan.model_copy(update={"width": 64})
    found = compared(result("a", BASE), result("b", BASE, plan=wide))
    assert any("another canvas for some: a 32 x 32, b 32 x 64" in note for note in found.notes)
    assert "32 x 64" in markdown(found, "picture.png")


def test_a_result_is_read_as_written_to_five_digits(result: Make, tmp_path) -> None:
    written = result("a", [1 / 3, None])
    written.write(tmp_path / "a.json")
    read = Result.read(tmp_path / "a.json")
    assert read.frames[0].classes["nerve"].dice == 0.33333
    assert read.model_copy(update={"frames": ()}) == written.model_copy(update={"frames": ()})
    assert len([line for line in (tmp_path / "a.json").read_text().splitlines() if '"group"' in line]) == 2


def test_140_frames_of_two_classes_fit_into_100_kb(result: Make, tmp_path) -> None:
    one = result("a", [0.123456789] * 140)
    frames = [f.__class__(**{**f.__dict__, "classes": f.classes | {"vessel": f.classes["nerve"]}}) for f in one.frames]
    one.model_copy(update={"frames": tuple(frames)}).write(tmp_path / "a.json")
    assert (tmp_path / "a.json").stat().st_size < 100_000
