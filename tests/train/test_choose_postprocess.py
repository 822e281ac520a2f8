"""Post-processing is chosen where the tune part shows that it helps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))  # bright.py lives there

from bright import NERVE, bright_files

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import split
from sononerve.evaluate.run import evaluate
from sononerve.io.images import write_png
from sononerve.runtime.bundle import Bundle, write_bundle
from sononerve.runtime.postprocess import PLAIN, PostProcess
from sononerve.train.export import configured
from sononerve.train.postprocess import choose_postprocess


def data(home: Path, subjects: int, specks: int) -> Dataset:
    """Frames with a nerve that `bright` finds; in so many of ten it finds a speck beside it too."""
    lines = ["image,mask,subject"]
    for subject in range(subjects):
        rng = np.random.default_rng(subject)
        pixels, truth = rng.integers(0, 60, (40, 50)).astype(np.uint8), np.zeros((40, 50), np.uint8)
        pixels[10:20, 10:30] = NERVE
        truth[10:20, 10:30] = 1
        if subject % 10 < specks:
            pixels[30:34, 40:45] = NERVE
        write_png(home / "images" / f"s{subject}.png", pixels)
        write_png(home / "masks" / f"s{subject}.png", truth)
        lines.append(f"images/s{subject}.png,masks/s{subject}.png,S{subject}")
    (home / "manifest.csv").write_text("\n".join(lines) + "\n")
    return load_dataset(home)


def bundle_for(dataset: Dataset, folder: Path) -> Bundle:
    write_bundle(folder, bright_files(split=split(dataset, tune=0.4)))
    return Bundle.open(folder)


def test_specks_of_most_subjects_are_taken_away(tmp_path: Path) -> None:
    dataset = data(tmp_path / "frames", subjects=70, specks=8)
    bundle = bundle_for(dataset, tmp_path / "bundle")
    chosen = choose_postprocess(bundle, dataset)
    assert chosen.postprocess.classes[0].largest
    assert len(chosen.reasons) == 1
    assert chosen.reasons[0].startswith("label 1: largest piece alone: Dice +0.0")
    better = evaluate(configured(bundle, {"postprocess": chosen.postprocess.model_dump(mode="json")}), dataset)
    dice = better.scores.overall.classes["nerve"].scores["dice"]
    assert dice is not None
    assert dice.value == 1


def test_so_few_subjects_do_not_show_that_pieces_may_be_removed(tmp_path: Path) -> None:
    dataset = data(tmp_path / "frames", subjects=40, specks=8)
    bundle = bundle_for(dataset, tmp_path / "bundle")
    assert 5 <= len(split(dataset, tune=0.4).indices(dataset, 0, "tune")) < 20
    assert choose_postprocess(bundle, dataset).postprocess == PLAIN


def test_what_one_subject_alone_shows_is_not_believed(tmp_path: Path) -> None:
    dataset = data(tmp_path / "frames", subjects=40, specks=0)
    odd = bundle_for(dataset, tmp_path / "bundle")
    assert choose_postprocess(odd, dataset).postprocess == PLAIN
    places = split(dataset, tune=0.4).indices(dataset, 0, "tune")
    pixels = dataset[places[0]].frame.pixels.copy()
    pixels[30:34, 40:45] = NERVE
    write_png(dataset.folder / dataset.names[places[0]], pixels)
    changed = load_dataset(dataset.folder)
    bundle = bundle_for(changed, tmp_path / "changed")
    chosen = choose_postprocess(bundle, changed)
    assert chosen.postprocess == PLAIN
    assert chosen.reasons[0].startswith("plain: nothing else gains on")


@pytest.mark.parametrize("subjects", [8])
def test_few_subjects_tell_nothing(tmp_path: Path, subjects: int) -> None:
    dataset = data(tmp_path / "frames", subjects, specks=8)
    chosen = choose_postprocess(bundle_for(dataset, tmp_path / "bundle"), dataset)
    assert chosen.postprocess == PLAIN
    assert "subjects or clusters, of which 5 are needed" in chosen.reasons[0]


def test_a_presence_that_costs_nothing_stays_and_is_told_beside_what_gains(tmp_path: Path) -> None:
    dataset = data(tmp_path / "frames", subjects=70, specks=8)
    begun = PostProcess(presence=0.4)
    chosen = choose_postprocess(bundle_for(dataset, tmp_path / "bundle"), dataset, begun=begun)
    assert chosen.postprocess.presence == 0.4
    assert chosen.postprocess.classes[0].largest
    assert chosen.reasons[0] == "label 1 left out of frames of presence below 0.4: set beforehand"
    assert chosen.reasons[1].startswith("label 1: largest piece alone: Dice +")


def test_a_presence_that_loses_every_nerve_is_lowered_without_any_empty_frame(tmp_path: Path) -> None:
    dataset = data(tmp_path / "frames", subjects=40, specks=0)
    begun = PostProcess(presence=0.95)
    chosen = choose_postprocess(bundle_for(dataset, tmp_path / "bundle"), dataset, begun=begun)
    assert chosen.postprocess == PostProcess(presence=0.5)
    assert [reason.partition(": Dice +1.000")[0] for reason in chosen.reasons] == [
        "label 1 left out of frames of presence below 0.5"
    ]


def test_few_subjects_leave_a_presence_as_it_was(tmp_path: Path) -> None:
    dataset = data(tmp_path / "frames", subjects=8, specks=0)
    chosen = choose_postprocess(bundle_for(dataset, tmp_path / "bundle"), dataset, begun=PostProcess(presence=0.95))
    assert chosen.postprocess == PostProcess(presence=0.95)
    assert chosen.reasons[0].endswith("set beforehand")
    assert chosen.reasons[1].startswith("other rules: the tune part has frames of")
