"""What a model was trained on is never scored as new, whatever it is called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Split, split
from sononerve.errors import InputError
from sononerve.evaluate.scope import OVERLAP, UNKNOWN, choose_scope


def copied(dataset: Dataset, names: tuple[str, ...], target: Path) -> Dataset:
    """These frames under other names, subjects unknown."""
    for number, name in enumerate(names):
        record = next(r for r in dataset.records if r.name == name)
        for kind, source in (("images", record.image), ("masks", record.mask)):
            (target / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / kind / f"renamed_{number:03}.png")
    return load_dataset(target)


def test_on_its_own_data_the_test_part_is_scored_and_the_rest_accounted_for(dataset: Dataset, division: Split) -> None:
    scope = choose_scope(dataset, division, 0)
    fold = division.fold(0)
    assert [dataset.names[i] for i in scope.indices] == list(fold.test)
    assert set(scope.groups) == {division.groups[name] for name in fold.test}
    assert scope.left_out == {"in the fit part": len(fold.fit), "in the tune part": len(fold.tune)}
    assert scope.statement == "by subject"
    assert scope.warnings == ()


def test_renamed_copies_are_known_again_by_their_content(dataset: Dataset, division: Split, tmp_path: Path) -> None:
    fold = division.fold(0)
    mixed = copied(dataset, (*fold.fit[:3], *fold.test[:2], *fold.tune[:1]), tmp_path / "mixed")
    scope = choose_scope(mixed, division, 0)
    assert scope.indices == (3, 4)
    assert scope.groups == tuple(division.groups[name] for name in fold.test[:2])


def test_copies_saved_in_another_format_are_known_again(dataset: Dataset, division: Split, tmp_path: Path) -> None:
    fold = division.fold(0)
    mixed = copied(dataset, (*fold.fit[:3], *fold.test[:2]), tmp_path / "mixed")
    for record in mixed.records:
        Image.open(record.image).save(record.image.with_suffix(".tif"))
        record.image.unlink()
    assert choose_scope(load_dataset(tmp_path / "mixed"), division, 0).indices == (3, 4)


def test_copies_of_trained_frames_alone_are_refused(dataset: Dataset, division: Split, tmp_path: Path) -> None:
    fold = division.fold(0)
    trained = copied(dataset, (*fold.fit[:3], *fold.tune[:1]), tmp_path / "trained")
    with pytest.raises(InputError, match="holds no frame of the test part"):
        choose_scope(trained, division, 0)


def test_a_held_out_frame_that_is_also_in_fit_counts_as_trained_on(dataset: Dataset, division: Split) -> None:
    fold = division.fold(0)
    twin = fold.test[0]
    hashes = division.hashes | {fold.fit[0]: division.hashes[twin]}
    scope = choose_scope(dataset, division.model_copy(update={"hashes": hashes}), 0)
    assert twin not in [dataset.names[i] for i in scope.indices]
    assert len(scope.indices) == len(fold.test) - 1


def test_other_data_is_scored_whole(dataset: Dataset, division: Split) -> None:
    fold = division.fold(0)
    known = {**division.model_dump(), "hashes": {name: f"{i:064x}" for i, name in enumerate(division.hashes)}}
    scope = choose_scope(dataset, Split.model_validate(known), 0)
    assert scope.indices == tuple(range(len(dataset)))
    assert "the model has not seen" in scope.statement
    assert scope.warnings == ()
    assert fold.test


def test_other_frames_beside_trained_ones_are_scored_with_a_warning(dataset: Dataset, division: Split) -> None:
    """The held-out frames have new content; fit and tune are still there."""
    changed = {name: f"{i:064x}" for i, name in enumerate(division.fold(0).test)}
    scope = choose_scope(dataset, division.model_copy(update={"hashes": division.hashes | changed}), 0)
    assert [dataset.names[i] for i in scope.indices] == sorted(division.fold(0).test)
    assert scope.warnings == (OVERLAP,)
    assert scope.left_out == {"trained or tuned on": len(division.fold(0).fit) + len(division.fold(0).tune)}


@pytest.mark.parametrize("part", ["fit", "tune"])
def test_a_part_that_the_model_has_seen_is_branded(dataset: Dataset, division: Split, part: str) -> None:
    scope = choose_scope(dataset, division, 0, part)  # type: ignore[arg-type]
    assert [dataset.names[i] for i in scope.indices] == list(division.fold(0).part(part))  # type: ignore[arg-type]
    assert any(f"{part} part" in warning and "not a held-out score" in warning for warning in scope.warnings)


def test_a_seen_part_of_other_data_is_refused(dataset: Dataset, division: Split) -> None:
    known = {**division.model_dump(), "hashes": {name: f"{i:064x}" for i, name in enumerate(division.hashes)}}
    with pytest.raises(InputError, match="no frame of the tune part"):
        choose_scope(dataset, Split.model_validate(known), 0, "tune")


def test_a_leaky_split_is_branded_in_statement_and_warning(dataset: Dataset, leaky: Split) -> None:
    scope = choose_scope(dataset, leaky, 0)
    assert "LEAKS" in scope.statement
    assert any("LEAKS" in warning for warning in scope.warnings)


def test_a_bundle_that_does_not_say_what_it_was_trained_on_gets_no_clean_score(dataset: Dataset) -> None:
    scope = choose_scope(dataset, None, 0)
    assert scope.indices == tuple(range(len(dataset)))
    assert "has not seen" not in scope.statement
    assert any("does not say" in warning for warning in scope.warnings)


def test_members_of_one_split_and_fold_hold_out_the_same_frames(dataset: Dataset, division: Split) -> None:
    """Several seeds, or several networks."""
    assert choose_scope(dataset, division, 0, others=[(division, 0)] * 2) == choose_scope(dataset, division, 0)


def test_folds_of_one_data_set_have_no_held_out_frame_in_common(dataset: Dataset) -> None:
    division = split(dataset, folds=3)
    with pytest.raises(InputError, match=r"folds of one cross-validation have no held-out frame in common"):
        choose_scope(dataset, division, 0, others=[(division, 1), (division, 2)])


def test_what_one_member_has_seen_is_not_scored(dataset: Dataset, division: Split) -> None:
    """Two hold-outs of the same frames: what both left out is left, by the subjects."""
    other = split(dataset, test=0.34, tune=0.2, seed=next(s for s in range(1, 99) if overlaps(dataset, division, s)))
    scope = choose_scope(dataset, division, 0, others=[(other, 0)])
    both = set(division.fold(0).test) & set(other.fold(0).test)
    assert {dataset.names[i] for i in scope.indices} == both
    assert set(scope.groups) == {division.groups[name] for name in both}
    assert sum(scope.left_out.values()) == len(dataset) - len(both)


def overlaps(dataset: Dataset, division: Split, seed: int) -> bool:
    """Whether the split of this seed holds out some, but not all, of what ``division`` does."""
    one, other = set(division.fold(0).test), set(split(dataset, test=0.34, tune=0.2, seed=seed).fold(0).test)
    return bool(one & other) and one != other


def test_frames_of_other_data_are_new_to_folds_too(dataset: Dataset) -> None:
    division = split(dataset, folds=3)
    known = {**division.model_dump(), "hashes": {name: f"{i:064x}" for i, name in enumerate(division.hashes)}}
    elsewhere = Split.model_validate(known)
    scope = choose_scope(dataset, elsewhere, 0, others=[(elsewhere, 1), (elsewhere, 2)])
    assert scope.indices == tuple(range(len(dataset)))
    assert scope.warnings == ()


def test_a_member_that_does_not_say_what_it_was_trained_on_is_warned_of(dataset: Dataset, division: Split) -> None:
    scope = choose_scope(dataset, division, 0, others=[(None, 0)])
    assert [dataset.names[i] for i in scope.indices] == list(division.fold(0).test)
    assert UNKNOWN in scope.warnings


def test_a_leaky_member_brands_the_ensemble(dataset: Dataset, leaky: Split) -> None:
    scope = choose_scope(dataset, leaky, 0, others=[(leaky, 0)])
    assert any("LEAKS" in warning for warning in scope.warnings)


def test_each_fold_scores_its_own_part(dataset: Dataset) -> None:
    division = split(dataset, folds=3)
    scored = [set(choose_scope(dataset, division, fold).indices) for fold in range(3)]
    assert set.union(*scored) == set(range(len(dataset)))
    assert sum(map(len, scored)) == len(dataset)
