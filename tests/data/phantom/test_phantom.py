"""The phantom: repeatable, independent of counts, with masks that are what was drawn, written whole or not at all."""

import csv
import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sononerve.data import phantom
from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.data.phantom import PhantomConfig
from sononerve.errors import InputError

SMALL = PhantomConfig(subjects=3, frames=4, height=96, width=112, empty=0.3, seed=5)


def drawn(config):
    return [(s.frame.pixels.tobytes(), s.labels.tobytes()) for s in phantom.samples(config)]


def ring(mask, pixels):
    size = 2 * pixels + 1
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8))
    return (grown > 0) & ~mask


@pytest.fixture(scope="module")
def with_nerve():
    config = PhantomConfig(subjects=16, frames=1, empty=0.0, seed=3)
    return list(phantom.samples(config))


def test_same_seed_same_bytes_and_another_seed_others():
    first = drawn(SMALL)
    list(phantom.samples(SMALL.model_copy(update={"seed": 7})))  # what is kept of a subject makes room
    assert drawn(SMALL) == first
    assert drawn(SMALL.model_copy(update={"seed": 6})) != first


def test_frame_does_not_depend_on_how_many_are_asked_for():
    few, many = SMALL, SMALL.model_copy(update={"subjects": 50, "frames": 90})
    phantom.frame(many, 40, 80)
    a, b = phantom.frame(few, 2, 3), phantom.frame(many, 2, 3)
    assert np.array_equal(a.frame.pixels, b.frame.pixels)
    assert np.array_equal(a.labels, b.labels)
    assert (a.subject, a.video, a.index, a.frame.source) == (b.subject, b.video, b.index, b.frame.source)


def test_samples_come_subject_by_subject_with_their_names():
    names = [(s.subject, s.video, s.index, s.frame.source) for s in phantom.samples(SMALL)]
    assert names == [(str(s + 1), str(s + 1), k, f"phantom:{s}/{k}") for s in range(3) for k in range(4)]


def test_frames_of_one_subject_are_alike_and_subjects_are_not():
    config = PhantomConfig(subjects=4, frames=2, height=96, width=96, empty=0.0, seed=1)

    def blurred(subject, index):
        return cv2.GaussianBlur(phantom.frame(config, subject, index).frame.pixels.astype(np.float32), (0, 0), 2)

    def alike(a, b):
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    firsts = [blurred(s, 0) for s in range(4)]
    within = [alike(firsts[s], blurred(s, 1)) for s in range(4)]
    between = [alike(firsts[s], firsts[t]) for s in range(4) for t in range(s)]
    assert min(within) > 0.7
    assert min(within) > max(between)


def test_a_frame_that_does_not_exist_is_refused():
    with pytest.raises(IndexError, match=r"phantom:3/0: expected subject below 3"):
        phantom.frame(SMALL, 3, 0)
    with pytest.raises(IndexError, match="phantom:0/-1"):
        phantom.frame(SMALL, 0, -1)


@pytest.mark.parametrize(
    "wrong", [{"subjects": 0}, {"frames": -1}, {"height": 31}, {"width": 2049}, {"empty": 1.1}, {"colour": True}]
)
def test_wrong_configurations_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PhantomConfig(**wrong)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_share_of_frames_without_nerve(share):
    config = PhantomConfig(subjects=3, frames=16, height=32, width=32, empty=share)
    nerveless = np.mean([not (s.labels == 1).any() for s in phantom.samples(config)])
    assert nerveless == pytest.approx(share, abs=0.05)


def test_no_threshold_finds_the_nerve(with_nerve):
    dice = []
    for low in range(0, 250, 10):
        for high in (low + 20, low + 40, 256):
            scores = []
            for sample in with_nerve:
                found, mask = (sample.frame.pixels >= low) & (sample.frame.pixels < high), sample.labels == 1
                scores.append(2 * (found & mask).sum() / (found.sum() + mask.sum()))
            dice.append(np.mean(scores))
    assert max(dice) < 0.3


def test_vessels_are_darker_than_what_is_around_them():
    darker, needle, probe = [], phantom.Needle(share=0), phantom.Probe(contact=0)
    for sample in phantom.samples(PhantomConfig(subjects=16, frames=1, empty=0.0, seed=3, needle=needle, probe=probe)):
        vessel = sample.labels == 2
        if vessel.sum() > 100:
            around = ring(vessel, 8) & (sample.labels == 0)
            darker.append(np.median(sample.frame.pixels[vessel]) < np.median(sample.frame.pixels[around]))
    assert len(darker) > 10
    assert np.mean(darker) > 0.9


def test_unlabelled_vessels_stay_in_the_picture():
    a, b = (phantom.frame(SMALL.model_copy(update={"vessels": v}), 0, 0) for v in (True, False))
    assert np.array_equal(a.frame.pixels, b.frame.pixels)
    assert np.array_equal(np.where(a.labels == 2, 0, a.labels), b.labels)


def test_spacing_is_square_and_covers_the_same_tissue_at_any_size():
    config = PhantomConfig(subjects=1, frames=1, empty=0.0)
    coarse, fine = (
        phantom.frame(config, 0, 0),
        phantom.frame(config.model_copy(update={"height": 512, "width": 512}), 0, 0),
    )
    row, column = coarse.frame.spacing_mm
    assert row == column
    seen = np.array(coarse.frame.shape) * row
    low, high = config.probe.footprint_mm[0], config.probe.depth_mm[1]
    assert low <= max(seen) <= high + 1
    assert fine.frame.spacing_mm == pytest.approx((row / 2, column / 2))
    area = [(s.labels == 1).sum() * s.frame.spacing_mm[0] ** 2 for s in (coarse, fine)]
    assert area[0] == pytest.approx(area[1], rel=0.05)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(32, 128),
    width=st.integers(32, 128),
    seed=st.integers(0, 2**32 - 1),
    subject=st.integers(0, 999),
    index=st.integers(0, 999),
    vessels=st.booleans(),
)
def test_any_frame_is_well_formed(*, height, width, seed, subject, index, vessels):
    config = PhantomConfig(
        subjects=1000, frames=1000, height=height, width=width, empty=0.0, vessels=vessels, seed=seed
    )
    sample = phantom.frame(config, subject, index)
    assert sample.frame.pixels.shape == sample.labels.shape == (height, width)
    assert sample.frame.pixels.dtype == sample.labels.dtype == np.uint8
    assert sample.frame.pixels.std() > 3
    found = set(np.unique(sample.labels).tolist())
    assert 1 in found
    assert found <= ({0, 1, 2} if vessels else {0, 1})


@pytest.mark.parametrize("size", [(32, 2048), (2048, 32)])
def test_extreme_shapes_still_hold_a_nerve(size):
    sample = phantom.frame(PhantomConfig(height=size[0], width=size[1], empty=0.0), 0, 0)
    assert sample.labels.shape == size
    assert (sample.labels == 1).any()


def test_written_folder_reads_back(tmp_path):
    calls = []
    folder = phantom.write(SMALL, tmp_path / "new" / "phantom", lambda done, total: calls.append((done, total)))
    assert calls == [(k, 12) for k in range(1, 13)]
    assert (folder / "classes.txt").read_text().split() == ["nerve", "vessel"]
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "mask", "subject", "video", "frame", "boxes_xywh", "spacing"]
    assert len(list((folder / "images").iterdir())) == len(list((folder / "masks").iterdir())) == 12
    for row, sample in zip(rows, phantom.samples(SMALL), strict=True):
        assert row["image"] == f"images/{sample.subject}_{sample.index}.png"
        assert row["mask"] == f"masks/{sample.subject}_{sample.index}.png"
        assert (row["subject"], row["video"], row["frame"]) == (sample.subject, sample.video, str(sample.index))
        image, mask = (cv2.imread(str(folder / row[key]), cv2.IMREAD_UNCHANGED) for key in ("image", "mask"))
        assert np.array_equal(image, sample.frame.pixels)
        assert np.array_equal(mask, sample.labels)
        assert [float(v) for v in row["spacing"].split(",")] == pytest.approx(sample.frame.spacing_mm, abs=1e-6)
        boxes = json.loads(row["boxes_xywh"])
        assert bool(boxes) == bool((mask == 1).any())
        assert boxes == sample.boxes.tolist()
    assert any(row["boxes_xywh"] == "[]" for row in rows)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    a, b = (phantom.write(SMALL, tmp_path / name) for name in ("a", "b"))
    files = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    assert len(files) == 26
    assert all((a / f).read_bytes() == (b / f).read_bytes() for f in files)


def test_without_vessels_there_is_one_class(tmp_path):
    folder = phantom.write(SMALL.model_copy(update={"vessels": False}), tmp_path / "phantom")
    assert (folder / "classes.txt").read_text() == "nerve\n"


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path):
    folder = tmp_path / "phantom"
    folder.mkdir()
    phantom.write(SMALL, folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="phantom: is there already and not an empty folder; use another --out"):
        phantom.write(SMALL, folder)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "phantom").write_text("mine")
    with pytest.raises(InputError, match="phantom: is there already"):
        phantom.write(SMALL, tmp_path / "phantom")
    assert (tmp_path / "phantom").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_nothing(tmp_path, error):
    def stop(done, total):
        if done == 5:
            raise error

    with pytest.raises(error):
        phantom.write(SMALL, tmp_path / "phantom", stop)
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_processes_does_not_change_a_byte(tmp_path):
    config = SMALL.model_copy(update={"videos": 2, "video": True})
    a, b = (phantom.write(config, tmp_path / str(n), processes=n) for n in (1, 2))
    files = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(b) for p in b.rglob("*") if p.is_file())
    assert all((a / f).read_bytes() == (b / f).read_bytes() for f in files)


def test_videos_are_written_as_clips_too(tmp_path):
    config = PhantomConfig(subjects=1, videos=2, frames=5, height=96, width=112, video=True)
    folder = phantom.write(config, tmp_path / "phantom")
    assert sorted(p.name for p in (folder / "clips").iterdir()) == ["1_1.mp4", "1_2.mp4"]
    drawn = [s for s in phantom.samples(config) if s.video == "1_2"]
    assert [s.frame.time_s for s in drawn] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    clip = cv2.VideoCapture(str(folder / "clips" / "1_2.mp4"))
    assert clip.get(cv2.CAP_PROP_FPS) == pytest.approx(25)
    for sample in drawn:
        read, pixels = clip.read()
        assert read
        error = pixels[..., 0].astype(float) - sample.frame.pixels
        assert np.sqrt((error**2).mean()) < 12  # MPEG-4 loses some of the speckle
    assert not clip.read()[0]


def test_one_video_is_numbered_in_its_clip(tmp_path):
    folder = phantom.write(PhantomConfig(subjects=2, frames=2, height=48, width=48, video=True), tmp_path / "p")
    assert sorted(p.name for p in (folder / "clips").iterdir()) == ["1_1.mp4", "2_1.mp4"]


@pytest.mark.parametrize("layout", [name for name, known in LAYOUTS.items() if known.writer is not None])
def test_the_phantom_is_written_in_any_layout_and_found_again(tmp_path, layout):
    config = SMALL.model_copy(update={"video": True})
    dataset = load_dataset(phantom.write(config, tmp_path / "p", layout=layout))
    assert (dataset.layout, len(dataset)) == (layout, config.total)
    assert len(list((tmp_path / "p" / "clips").iterdir())) == config.subjects
    nerves = [(sample.labels == 1).sum() for sample in phantom.samples(config)]
    assert sorted((dataset[i].labels == 1).sum() for i in range(len(dataset))) == sorted(nerves)


def test_a_layout_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(InputError, match="--layout videos: cannot be written; expected one of manifest"):
        phantom.write(SMALL, tmp_path / "p", layout="videos")


def test_machines_are_shared_by_subjects():
    config = PhantomConfig(subjects=4, frames=1, height=64, width=64, machines=2)
    machines = [phantom.scene.draw_setting(config, s).machine.range_db for s in range(4)]
    assert machines[0] == machines[2] != machines[1] == machines[3]


def test_a_subject_whose_muscle_ends_within_the_frame_is_drawn():
    config = PhantomConfig(subjects=40, frames=2, seed=1)
    assert phantom.frame(config, 27, 0).frame.pixels.any()
    assert phantom.frame(config, 27, 1).frame.pixels.any()
