"""A bundle scored on a data set by the one predictor, against scores by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright import even_files

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Split, split
from sononerve.errors import InputError
from sononerve.evaluate.run import BOX_WARNING, evaluate
from sononerve.io.images import read_labels, write_png
from sononerve.runtime.bundle import Bundle, write_bundle
from sononerve.runtime.ways import Ways
from sononerve.train.ensemble import join

Make = Callable[..., Bundle]
Cli = Callable[..., tuple[int, str, str]]


def test_scores_are_as_computed_by_hand(bright: Make, dataset: Dataset) -> None:
    """Off by 0, 1 and 2 of 20 columns; half of the empty frames have a false positive."""
    nerve = evaluate(bright(), dataset).scores.overall.classes["nerve"]
    assert nerve.with_class == 18
    assert nerve.scores["dice"].value == pytest.approx((1 + 0.95 + 0.9) / 3)
    assert nerve.scores["precision"].value == pytest.approx((1 + 0.95 + 0.9) / 3)
    assert nerve.scores["hd95"].value == pytest.approx(1)
    assert nerve.false_positive_rate.value == 0.5
    assert set(nerve.dice_by_subject) == {f"S{n}" for n in range(6)}


def test_only_the_held_out_frames_are_scored(bright: Make, dataset: Dataset, division: Split) -> None:
    evaluation = evaluate(bright(division), dataset)
    assert [r.name for r in evaluation.results] == list(division.fold(0).test)
    assert [dataset.names[i] for i in evaluation.indices] == list(division.fold(0).test)
    assert evaluation.scores.overall.frames == len(division.fold(0).test)
    assert evaluation.scores.split == "by subject"
    assert evaluation.scores.left_out["in the fit part"] == len(division.fold(0).fit)


def test_few_subjects_are_warned_of(bright: Make, dataset: Dataset) -> None:
    assert any("6" in warning and "intervals" in warning for warning in evaluate(bright(), dataset).scores.warnings)


@pytest.mark.parametrize("part", ["fit", "tune"])
def test_a_seen_part_is_branded_in_the_scores(bright: Make, dataset: Dataset, division: Split, part: str) -> None:
    scores = evaluate(bright(division), dataset, part).scores  # type: ignore[arg-type]
    assert scores.part == part
    assert any("not a held-out score" in warning for warning in scores.warnings)


def test_a_leaky_split_is_branded_in_the_scores(bright: Make, dataset: Dataset, leaky: Split) -> None:
    told = json.loads(evaluate(bright(leaky), dataset).scores.to_json())
    assert "LEAKS" in told["split"]
    assert any("LEAKS" in warning for warning in told["warnings"])


def test_annotators_are_told_apart(bright: Make, dataset: Dataset) -> None:
    by_annotator = evaluate(bright(), dataset).scores.by_annotator
    assert list(by_annotator) == ["Anna", "Ben"]
    assert by_annotator["Anna"].classes["nerve"].scores["dice"].value == pytest.approx(0.95)
    assert by_annotator["Ben"].classes["nerve"].scores["dice"].value == pytest.approx(0.95)
    assert by_annotator["Ben"].classes["nerve"].without == 0


def test_a_class_that_the_model_does_not_know_is_refused_with_both_names(bright: Make, dataset: Dataset) -> None:
    with pytest.raises(InputError, match=r"classes are tendon, the model's nerve, vessel.*--classes"):
        evaluate(bright(classes=("nerve", "vessel")), replace(dataset, classes=("tendon",)))


def test_a_class_that_the_data_do_not_know_is_not_scored_and_said(bright: Make, dataset: Dataset) -> None:
    alone = evaluate(bright(), dataset).scores
    both = evaluate(bright(classes=("nerve", "vessel"), name="both"), dataset).scores
    assert both.overall.classes == alone.overall.classes
    assert "not scored, for the data do not know it: vessel" in both.warnings
    assert not [told for told in alone.warnings if "not scored" in told]


def test_classes_are_told_apart_by_their_names_and_not_by_their_numbers(bright: Make, dataset: Dataset) -> None:
    nerve = evaluate(bright(), dataset).scores.overall.classes["nerve"]
    turned = evaluate(bright(classes=("vessel", "nerve"), name="turned"), dataset).scores.overall.classes["nerve"]
    assert nerve.scores["dice"].value > 0.9
    assert turned.scores["dice"].value == 0  # what it calls the nerve is as bright as vessels are


def test_masks_of_yes_and_no_are_of_the_models_first_class(
    bright: Make, folder: Path, tmp_path: Path, cli: Cli
) -> None:
    shutil.copytree(folder, tmp_path / "yes")
    for mask in (tmp_path / "yes" / "masks").iterdir():
        write_png(mask, np.where(read_labels(mask) > 0, np.uint8(255), np.uint8(0)))
    both = bright(classes=("nerve", "vessel"))
    code, out, err = cli("evaluate", tmp_path / "yes", "--model", both.source, "--json")
    assert code == 0, err
    assert list(json.loads(out)["overall"]["classes"]) == ["nerve"]


def test_distances_are_in_mm_only_where_every_frame_has_a_spacing(bright: Make, dataset: Dataset) -> None:
    spaced = tuple(replace(record, spacing_mm=(0.5, 0.5)) for record in dataset.records)
    found = evaluate(bright(), replace(dataset, records=spaced)).scores
    assert found.unit == "mm"
    assert found.overall.classes["nerve"].scores["hd95"].value == pytest.approx(0.5)
    partly = evaluate(bright(), replace(dataset, records=(*spaced[:-1], dataset.records[-1]))).scores
    assert partly.unit == "px"
    assert partly.overall.classes["nerve"].scores["hd95"].value == pytest.approx(1)


def test_truth_of_boxes_is_said_and_scored_as_such(bright: Make, dataset: Dataset) -> None:
    boxed = tuple(
        replace(record, boxes=((10.0 + i % 4, 10.0, 20.0, 10.0),) if i % 4 < 3 else ())
        for i, record in enumerate(dataset.records)
    )
    scores = evaluate(bright(), replace(dataset, records=boxed)).scores
    assert scores.truth == "boxes"
    assert BOX_WARNING in scores.warnings
    assert scores.overall.boxes_touched.value == 1
    assert scores.overall.pixels_inside_boxes.value == pytest.approx(0.95)


def test_the_model_is_called_by_its_run_and_the_data_by_its_folder(bright: Make, dataset: Dataset) -> None:
    scores = evaluate(bright(name="my-run"), dataset).scores
    assert (scores.model, scores.data) == ("my-run", "frames")


def test_the_scores_say_how_each_frame_was_looked_at(bright: Make, dataset: Dataset) -> None:
    plain, flipped = evaluate(bright(), dataset).scores, evaluate(bright(), dataset, ways=Ways(flip=True)).scores
    once = {"flip": False, "sensitivity": None, "second_look": False, "tile": None}
    assert json.loads(plain.to_json())["ways"] == once
    assert json.loads(flipped.to_json())["ways"] == once | {"flip": True}
    assert flipped.overall.classes["nerve"].scores == plain.overall.classes["nerve"].scores


def test_how_sure_the_model_was_is_scored_by_hand(bright: Make, dataset: Dataset) -> None:
    """Off by 0, 1 and 2 of 20 columns; half of the empty frames have four false pixels of the 2000.

    0.9 is said of 200 pixels, of which 200, 190 and 180 are right, and 0 of the rest, where 0, 10 and 20 are wrong.
    """
    found = evaluate(bright(), dataset).scores.overall.classes["nerve"].calibration
    sure = abs(0.9 * (600 + 2) - 570)  # of each four frames, with half of the false pixels
    assert found.error.value == pytest.approx((sure + 30) / (4 * 2000))
    squares = 570 * 0.1**2 + (30 + 2) * 0.9**2 + 30
    assert found.brier.value == pytest.approx(squares / (4 * 2000))
    assert found.error_near.value > found.error.value


def test_an_ensemble_of_folds_has_no_held_out_score(tmp_path: Path, dataset: Dataset) -> None:
    division = split(dataset, folds=3)
    joined = join([member(tmp_path, fold, division) for fold in range(3)])
    with pytest.raises(InputError, match="no held-out frame in common"):
        evaluate(joined, dataset)


def test_an_ensemble_of_one_fold_is_scored_on_its_test_part(tmp_path: Path, dataset: Dataset, division: Split) -> None:
    joined = join([member(tmp_path, 0, division, sure) for sure in (0.75, 0.125)])
    evaluation = evaluate(joined, dataset)
    assert [r.name for r in evaluation.results] == list(division.fold(0).test)
    assert all(result.uncertainty["nerve"] is None for result in evaluation.results)  # nothing was predicted


def member(folder: Path, fold: int, division: Split, sure: float | None = None) -> Bundle:
    """One that is everywhere as sure, 0.75 and a little less with the fold."""
    sure = 0.75 - fold / 64 if sure is None else sure
    write_bundle(folder / f"run-{sure}" / "bundle", even_files(sure, split=division, fold=fold))
    return Bundle.open(folder / f"run-{sure}")


def test_a_split_in_the_bundle_that_is_none_is_refused(bright: Make, dataset: Dataset) -> None:
    bundle = bright()
    broken = replace(bundle, files={**bundle.files, "split.json": b'{"folds": 3}'})
    with pytest.raises(InputError, match=r"split\.json"):
        evaluate(broken, dataset)


def test_progress_counts_the_scored_frames(bright: Make, dataset: Dataset, division: Split) -> None:
    told: list[tuple[int, int]] = []
    evaluate(bright(division), dataset, progress=lambda *n: told.append(n))
    count = len(division.fold(0).test)
    assert told == [(n, count) for n in range(1, count + 1)]


def test_frames_of_several_sizes_are_scored_at_their_own(bright: Make, shared_data: Path) -> None:
    found = load_dataset(shared_data / "usgra-seg", classes=("nerve", "vessel"))
    few = found.select(range(0, len(found), 30))
    scores = evaluate(bright(classes=("nerve", "vessel")), few).scores
    assert len({tuple(size) for size in few.sizes}) > 1
    assert scores.overall.frames == len(few)
