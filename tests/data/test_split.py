"""Nobody stands on two sides, every frame has one part, and a split that leaks says so."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.layouts import Record
from sononerve.data.split import Split, find_groups, split
from sononerve.errors import InputError

PARTS = ("fit", "tune", "test")


@pytest.fixture(scope="session")
def one_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("split") / "frame.png"
    Image.new("L", (2, 2)).save(file)
    return file


def dataset_of(file, subjects, areas):
    """Frames that are known by subject and share of nerve alone."""
    records = tuple(Record(f"{i}.png", file, file, subject=str(s)) for i, s in enumerate(subjects))
    shares = np.array(areas, float)[:, None]
    return Dataset(file.parent, "manifest", records, ("nerve",), shares, np.full((len(records), 2), 100))


def check(division, dataset):
    subjects = {record.name: record.subject for record in dataset.records}
    for fold in division.folds:
        parts = [fold.part(part) for part in PARTS]
        assert all(parts)
        assert sorted(name for part in parts for name in part) == sorted(dataset.names)
        people = [{subjects[name] for name in part} for part in parts]
        assert sum(map(len, people)) == len(set(subjects.values()))


SIZES = st.lists(st.integers(1, 9), min_size=4, max_size=12)


@settings(max_examples=12)
@given(sizes=SIZES, seed=st.integers(0, 99), shares=st.sampled_from([(0.2, 0.1), (0.01, 0.01), (0.9, 0.9)]))
def test_one_hold_out_tears_nobody_apart_and_leaves_no_part_empty(one_file, sizes, seed, shares):
    subjects = np.repeat(np.arange(len(sizes)), sizes)
    dataset = dataset_of(one_file, subjects, np.random.default_rng(seed).uniform(0, 0.1, len(subjects)))
    check(split(dataset, 1, *shares, seed), dataset)


@settings(max_examples=8)
@given(sizes=SIZES, seed=st.integers(0, 99), folds=st.integers(2, 3))
def test_the_test_parts_of_all_folds_are_the_whole(one_file, sizes, seed, folds):
    subjects = np.repeat(np.arange(len(sizes)), sizes)
    dataset = dataset_of(one_file, subjects, np.zeros(len(subjects)))
    division = split(dataset, folds, seed=seed)
    check(division, dataset)
    assert sorted(name for fold in division.folds for name in fold.test) == sorted(dataset.names)


def test_one_huge_subject_leaves_two_folds_with_all_parts(one_file):
    dataset = dataset_of(one_file, [0] * 50 + [1, 2, 3], np.zeros(53))
    check(split(dataset, 2), dataset)


def test_three_subjects_are_enough_for_a_hold_out(one_file):
    dataset = dataset_of(one_file, [1, 1, 2, 2, 3, 3], np.zeros(6))
    assert {len(split(dataset).fold(0).part(part)) for part in PARTS} == {2}


@pytest.mark.parametrize(("subjects", "folds", "needed"), [(2, 1, 3), (3, 2, 4), (3, 3, 4), (5, 5, 6)])
def test_too_few_subjects_are_refused_with_the_number_needed(one_file, subjects, folds, needed):
    dataset = dataset_of(one_file, list(range(subjects)) * 4, np.zeros(subjects * 4))
    with pytest.raises(InputError, match=rf"{subjects} group\(s\) by subject; expected at least {needed}"):
        split(dataset, folds)


def many(file):
    """40 subjects of which each has its own share of frames with a nerve."""
    rng = np.random.default_rng(7)
    subjects = np.repeat(np.arange(40), rng.integers(4, 14, 40))
    presence = rng.beta(0.6, 0.6, 40)[subjects]
    return dataset_of(file, subjects, np.where(rng.random(len(subjects)) < presence, rng.uniform(0.01, 0.1), 0))


def test_parts_have_the_share_of_frames_asked_for_and_of_nerves_of_the_whole(one_file):
    dataset = many(one_file)
    for division in (split(dataset, 1, 0.25, 0.2, seed=1), split(dataset, 4, tune=0.2, seed=1)):
        for number in range(len(division.folds)):
            test, tune = (division.indices(dataset, number, part) for part in ("test", "tune"))
            assert len(test) / len(dataset) == pytest.approx(0.25, abs=0.03)
            assert len(tune) / (len(dataset) - len(test)) == pytest.approx(0.2, abs=0.04)
            for part in (test, tune):
                assert dataset.present[part].mean() == pytest.approx(dataset.present.mean(), abs=0.06)


def test_same_seed_same_split_and_another_seed_another(one_file):
    dataset = many(one_file)
    assert split(dataset, seed=3) == split(dataset, seed=3)
    assert split(dataset, seed=3).folds != split(dataset, seed=4).folds


def test_what_is_written_is_read_back_equal(one_file, tmp_path):
    division = split(many(one_file), 2)
    division.write(tmp_path / "new" / "split.json")
    assert Split.read(tmp_path / "new" / "split.json") == division


@pytest.mark.parametrize("content", [None, "", "{}", '{"version": 2}', '{"version": 1}', "not json"])
def test_a_file_that_is_no_split_is_named_with_the_fix(tmp_path, content):
    if content is not None:
        (tmp_path / "split.json").write_text(content)
    with pytest.raises(InputError, match=r"split.json: not a split .*make one with 'sononerve split'") as refused:
        Split.read(tmp_path / "split.json")
    assert "\n" not in str(refused.value)


def test_a_field_that_is_unknown_is_refused(one_file, tmp_path):
    told = json.loads(split(many(one_file)).model_dump_json()) | {"groupping": "subject"}
    (tmp_path / "split.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="not a split"):
        Split.read(tmp_path / "split.json")


def test_frames_are_found_again_in_the_data_and_a_missing_one_is_named(one_file):
    dataset = many(one_file)
    division = split(dataset)
    found = division.indices(dataset, 0, "test")
    assert [dataset.names[i] for i in found] == list(division.fold(0).test)
    fewer = dataset.select([i for i in range(len(dataset)) if i != found[0]])
    with pytest.raises(InputError, match=rf"lacks {division.fold(0).test[0]}, which the split lists"):
        division.indices(fewer, 0, "test")


@pytest.mark.parametrize("number", [-1, 2])
def test_a_fold_that_is_not_there_is_refused(one_file, number):
    with pytest.raises(InputError, match=rf"--fold {number}: the split has 2 fold"):
        split(many(one_file), 2).fold(number)


# What is never torn apart


def test_a_split_by_subject_does_not_leak_and_says_how_it_was_made(one_file):
    division = split(many(one_file))
    assert (division.grouping, division.statement, division.leaks) == ("subject", "by subject", False)


def test_a_split_by_frame_is_made_on_demand_alone_and_branded(one_file):
    dataset = many(one_file)
    division = split(dataset, leaky_frame_split=True)
    assert division.leaks
    assert "LEAKS" in division.statement
    both = {dataset.records[i].subject for i in division.indices(dataset, 0, "fit")} & {
        dataset.records[i].subject for i in division.indices(dataset, 0, "test")
    }
    assert both


def test_subjects_of_some_frames_alone_are_refused(one_file):
    dataset = dataset_of(one_file, [1, 2, 3, 4], np.zeros(4))
    records = (*dataset.records[:3], Record("x.png", one_file, one_file))
    some = Dataset(dataset.folder, "manifest", records, ("nerve",), dataset.areas, dataset.sizes)
    with pytest.raises(InputError, match=r"x.png has no subject while others have"):
        split(some)


def test_without_subjects_videos_and_the_twins_between_them_stay_together(data_folder):
    rows = []
    for i in range(8):
        data_folder.image(f"{i}.png", size=(64, 64))
        data_folder.mask(f"m{i}.png", size=(64, 64))
        rows.append(f"{i}.png,m{i}.png,video {i // 2}")
    (data_folder.path / "7.png").write_bytes((data_folder.path / "0.png").read_bytes())
    data_folder.manifest(*rows, header="image,mask,video")
    grouping, groups = find_groups(load_dataset(data_folder.path))
    assert grouping == "video"
    assert groups[0] == groups[1] == groups[6] == groups[7]
    assert len(set(groups)) == 3
    assert groups[2] == groups[3] != groups[4] == groups[5]


def test_a_video_stays_whole_beside_frames_of_none(data_folder):
    rows = []
    for i in range(8):
        data_folder.image(f"{i}.png", size=(64, 64))
        data_folder.mask(f"m{i}.png", size=(64, 64))
        rows.append(f"{i}.png,m{i}.png,{'clip' if i < 5 else ''}")
    data_folder.manifest(*rows, header="image,mask,video")
    grouping, groups = find_groups(load_dataset(data_folder.path))
    assert grouping == "video"
    assert len(set(groups[:5])) == 1
    assert len(set(groups)) == 4


def test_usgra_seg_is_split_by_duplicate_cluster_and_says_that_subjects_are_unknown(usgra):
    division = split(usgra, 2)
    assert division.grouping == "duplicate cluster"
    assert division.statement == "by duplicate cluster: duplicates separated, subjects unknown"
    assert len(set(division.groups.values())) < len(usgra)
    for fold in division.folds:
        sides = [{division.groups[name] for name in fold.part(part)} for part in PARTS]
        assert all(sides)
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_a_split_edited_to_leak_is_refused(one_file, tmp_path):
    dataset = dataset_of(one_file, np.repeat(np.arange(6), 4), np.zeros(24))
    edited = split(dataset).model_dump(mode="json")
    moved = edited["folds"][0]["fit"].pop()
    edited["folds"][0]["test"].append(moved)
    file = tmp_path / "split.json"
    file.write_text(json.dumps(edited))
    with pytest.raises(InputError, match="in fit and test"):
        Split.read(file)


def test_other_pictures_under_the_same_names_are_refused(data_folder):
    for i in range(6):
        data_folder.pair(f"P{i}_a")
    dataset = load_dataset(data_folder.path, subject_pattern="(P[0-9])")
    division = split(dataset)
    division.check(dataset, 0)
    changed = division.fold(0).tune[0]
    data_folder.save(changed, np.full((24, 32), 7, np.uint8))
    with pytest.raises(InputError, match=f"{changed} is not the frame that was split"):
        division.check(dataset, 0)


def test_a_split_that_knew_frames_by_the_bytes_of_their_files_is_refused(one_file, tmp_path):
    old = split(dataset_of(one_file, np.repeat(np.arange(6), 4), np.zeros(24))).model_dump(mode="json")
    (tmp_path / "split.json").write_text(json.dumps(old | {"version": 1}))
    with pytest.raises(InputError, match=r"version: Input should be 2.*make one with 'sononerve split'"):
        Split.read(tmp_path / "split.json")
