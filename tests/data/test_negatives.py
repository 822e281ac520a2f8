"""Crops without a nerve hold none, those with it hold it all, and nothing else tells them apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sononerve.data import phantom
from sononerve.data.dataset import load_dataset
from sononerve.data.negatives import NegativesConfig, draw_crops, negatives, phantom_pairs, write_negatives
from sononerve.data.split import find_groups, split
from sononerve.errors import InputError
from sononerve.evaluate.metrics import presence_auroc


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A phantom of 24 subjects, the nerve in every frame."""
    folder = tmp_path_factory.mktemp("negatives") / "frames"
    phantom.write(phantom.PhantomConfig(subjects=24, frames=2, height=112, width=128, empty=0.0), folder)
    return load_dataset(folder)


def one_frame(data_folder, nerve, size=(60, 80), boxes=None):
    """A data set of a single frame with a rectangle of nerve ``(top, bottom, left, right)``."""
    labels = np.zeros(size, np.uint8)
    labels[nerve[0] : nerve[1], nerve[2] : nerve[3]] = 1
    data_folder.image("images/a.png", size)
    data_folder.save("masks/a.png", labels)
    row = "image,mask,subject,spacing,annotator" + (",boxes_xywh" if boxes else "")
    told = '\nimages/a.png,masks/a.png,P7,"0.1,0.2",Ann' + (f',"{json.dumps(boxes)}"' if boxes else "")
    data_folder.text("manifest.csv", row + told + "\n")
    return load_dataset(data_folder.path)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000), size=st.sampled_from([0.2, 0.35, 0.5, 0.7]), margin=st.floats(0, 0.1),
    whole=st.floats(0.3, 1.0),
)  # fmt: skip
def test_a_crop_holds_no_nerve_or_the_stated_share_and_keeps_its_distance(drawn, seed, size, margin, whole):
    few = drawn.select(range(0, len(drawn), 8))
    config = NegativesConfig(sizes=(size,), margin=margin, whole=whole, seed=seed, draws=4)
    for crop in draw_crops(few, config).chosen:
        nerve = few[crop.index].labels == 1
        top, bottom, left, right = crop.area
        held = nerve[top:bottom, left:right].sum()
        m = round(margin * min(crop.area.shape))
        if crop.present:
            assert nerve[top + m : bottom - m, left + m : right - m].sum() >= whole * nerve.sum()
        else:
            assert held == 0
            assert not nerve[max(0, top - m) : bottom + m, max(0, left - m) : right + m].any()


def test_each_frame_gives_as_many_crops_of_each_size_without_a_nerve_as_with_it(drawn):
    crops = draw_crops(drawn).chosen
    without, with_nerve = (
        sorted((c.index, c.size, c.area.shape) for c in crops if c.present == kind) for kind in (False, True)
    )
    assert len(without) > 30
    assert without == with_nerve


def test_every_frame_is_accounted_for_at_every_size(drawn):
    crops = draw_crops(drawn)
    for size, counts in crops.fates.items():
        assert sum(counts.values()) == len(drawn)
        assert 2 * counts["pair"] == sum(crop.size == size for crop in crops.chosen)


def test_trivia_tell_presence_at_random_places_but_not_at_chosen_ones(drawn):
    def auroc(config):
        crops = draw_crops(drawn, config).chosen
        rows = np.array([crop.trivia for crop in crops])
        rows = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-9)
        present = np.array([crop.present for crop in crops])
        fitted = crops_of_even_subjects = np.array([(crop.index // 2) % 2 == 0 for crop in crops])
        weights = np.linalg.lstsq(np.c_[rows, np.ones(len(rows))][fitted], present[fitted] - 0.5, rcond=None)[0]
        asked = ~crops_of_even_subjects
        return presence_auroc(rows[asked] @ weights[:-1], present[asked])

    assert auroc(NegativesConfig(draws=1)) > 0.65
    assert 0.35 < auroc(NegativesConfig()) < 0.62


def test_same_seed_same_crops_and_another_seed_others(drawn):
    few = drawn.select(range(12))
    areas = [[crop.area for crop in draw_crops(few, NegativesConfig(seed=seed)).chosen] for seed in (3, 3, 4)]
    assert areas[0] == areas[1]
    assert areas[0] != areas[2]


def test_pixels_labels_and_what_is_known_are_cut_out_exactly(drawn):
    crops = draw_crops(drawn).chosen
    for (name, sample), crop in zip(negatives(drawn), crops, strict=True):
        source, (top, bottom, left, right) = drawn[crop.index], crop.area
        assert name.startswith(drawn.names[crop.index] + "@")
        assert np.array_equal(sample.frame.pixels, source.frame.pixels[top:bottom, left:right])
        assert np.array_equal(sample.labels, source.labels[top:bottom, left:right])
        assert (sample.labels == 1).any() == crop.present == ("@with3" in name or "@with4" in name or "@with5" in name)
        assert (sample.subject, sample.frame.spacing_mm) == (source.subject, source.frame.spacing_mm)


def test_native_boxes_move_along_and_no_negative_touches_one(data_folder):
    dataset = one_frame(data_folder, (20, 30, 30, 40), boxes=[[28, 18, 14, 14]])
    for _, sample in negatives(dataset, NegativesConfig(sizes=(0.4,), margin=0.1)):
        present = (sample.labels == 1).any()
        assert len(sample.boxes) == present
        if present:
            y, x = np.nonzero(sample.labels)
            assert sample.boxes.tolist() == [[x.min() - 2, y.min() - 2, 14, 14]]
            assert (sample.annotator, sample.subject, sample.frame.spacing_mm) == ("Ann", "P7", (0.1, 0.2))


@pytest.mark.parametrize(
    ("nerve", "fate"),
    [((0, 0, 0, 0), "no nerve"), ((20, 50, 20, 60), "nerve too large"), ((28, 32, 38, 42), "pair")],
)
def test_a_frame_that_gives_no_pair_says_why(data_folder, nerve, fate):
    crops = draw_crops(one_frame(data_folder, nerve), NegativesConfig(sizes=(0.4,)))
    assert crops.fates[0.4][fate] == 1


def test_a_nerve_in_the_middle_leaves_large_crops_no_room(data_folder):
    crops = draw_crops(one_frame(data_folder, (28, 32, 38, 42)), NegativesConfig(sizes=(0.6,)))
    assert crops.fates[0.6]["no room beside the nerve"] == 1


def test_without_subjects_no_split_tears_the_crops_of_a_frame_or_its_duplicate_apart(data_folder, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        pixels = np.kron(rng.integers(20, 250, (24, 32)), np.ones((3, 3))).astype(np.uint8)
        labels = np.zeros(pixels.shape, np.uint8)
        labels[30:38, 10:22] = 1
        for twin in ("", "b") if i == 0 else ("",):
            data_folder.save(f"images/{i}{twin}.png", pixels)
            data_folder.save(f"masks/{i}{twin}.png", labels)
    source = load_dataset(data_folder.path)
    write_negatives(source, tmp_path / "crops")
    crops = load_dataset(tmp_path / "crops")
    assert all(record.subject is None for record in crops.records)  # a cluster is no person
    assert find_groups(crops)[0] == "video"
    homes = dict(zip(source.names, find_groups(source)[1], strict=True))
    sides = {}
    fold = split(crops).fold(0)
    for part in ("fit", "tune", "test"):
        for name in fold.part(part):
            sides.setdefault(homes[name.split("@")[0]], set()).add(part)
    assert homes["images/0.png"] == homes["images/0b.png"]
    assert all(len(parts) == 1 for parts in sides.values())


def test_crops_of_two_subjects_who_share_a_frame_are_of_one_subject(drawn, tmp_path):
    few = drawn.select(range(12))
    shared = replace(few.records[0], name="again.png", subject="other")
    joined = replace(
        few, records=(*few.records, shared), areas=few.areas[[*range(12), 0]], sizes=few.sizes[[*range(12), 0]]
    )
    write_negatives(joined, tmp_path / "out")
    subjects = {r.name.split("@")[0]: r.subject for r in load_dataset(tmp_path / "out").records}
    groups = dict(zip(joined.names, find_groups(joined)[1], strict=True))
    assert "other" in groups["again.png"] and "other" in groups[few.names[0]]
    assert all(subject == groups[name] for name, subject in subjects.items())


def test_written_crops_and_phantoms_are_read_again_half_of_them_empty(drawn, tmp_path):
    few = drawn.select(range(16))
    crops = write_negatives(few, tmp_path / "out", phantoms=3)
    written = load_dataset(tmp_path / "out")
    assert written.classes == drawn.classes
    assert len(written) == len(crops.chosen) + 6
    assert written.present.sum() * 2 == len(written)
    assert {r.subject for r in written.records if r.annotator == "phantom"} == {f"phantom {n}" for n in (1, 2, 3)}
    assert not (tmp_path / "out" / "names.csv").exists()


@pytest.mark.parametrize("classes", [("nerve",), ("nerve", "vessel"), ("nerve", "muscle", "vessel")])
def test_phantoms_speak_the_classes_of_the_data_set_they_join(classes):
    pairs = list(phantom_pairs(4, classes, subjects=False))
    labels = np.concatenate([np.unique(sample.labels) for _, sample in pairs])
    expected = {0, 1, classes.index("vessel") + 1} if "vessel" in classes else {0, 1}
    assert set(labels.tolist()) == expected
    assert [bool((s.labels == 1).any()) for _, s in pairs] == [True] * 4 + [False] * 4
    assert all(s.subject is None and s.annotator == "phantom" for _, s in pairs)
    assert [s.video for _, s in pairs[:4]] == [s.video for _, s in pairs[4:]]


def test_the_verb_takes_one_part_of_a_split_alone(cli, drawn, tmp_path):
    division = split(drawn)
    division.write(tmp_path / "split.json")
    status, out, _ = cli("negatives", drawn.folder, "--out", tmp_path / "out", "--split", tmp_path / "split.json",
        "--part", "test", "--sizes", "0.4,0.5", "--json",
    )  # fmt: skip
    assert status == 0
    told = json.loads(out)
    written = load_dataset(tmp_path / "out")
    assert told["crops"] == len(written)
    assert [row["size"] for row in told["frames"]] == [0.4, 0.5]
    assert {name.split("@")[0] for name in written.names} <= set(division.fold(0).test)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--sizes", "0.4,x"], "--sizes 0.4,x"),
        (["--sizes", "0.4,inf"], "--sizes"),
        (["--sizes", "0.4,0.4"], "--sizes"),
        (["--margin", "0.5"], "--margin"),
        (["--whole", "0"], "--whole"),
        (["--part", "test"], "--split and --part"),
        (["--sizes", "0.05"], "nerve too large"),
    ],
)
def test_bad_options_are_one_sentence_and_nothing_is_written(cli, drawn, tmp_path, options, fault):
    status, _, error = cli("negatives", drawn.folder, "--out", tmp_path / "out", *options)
    assert status == 2
    assert fault in error
    assert error.startswith("sononerve: ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(drawn, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        write_negatives(drawn.select(range(8)), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_real_crops_hold_no_nerve_or_all_of_it(usgra):
    few = usgra.select(range(0, len(usgra), 12))
    total = {name: int((few[i].labels == 1).sum()) for i, name in enumerate(few.names)}
    found = [(name, int((sample.labels == 1).sum())) for name, sample in negatives(few)]
    assert len(found) > 20
    assert all(held == (total[name.split("@")[0]] if "@with3" in name or "@with4" in name or "@with5" in name else 0)
               for name, held in found)  # fmt: skip
