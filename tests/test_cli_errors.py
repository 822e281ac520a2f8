"""Bad input at the command line: one sentence, exit status 2, no traceback, and nothing half-written."""

import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture
def pairs(data_folder):
    """Six frames with masks, each its own subject."""
    for i in range(6):
        data_folder.pair(f"P{i}_a", i % 2)
    return data_folder


def check_refused(result, fault):
    status, _, error = result
    assert status == 2
    assert error.startswith("sononerve: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert fault in error
    assert "Traceback" not in error


def no_mask(data):
    (data.path / "masks/P1_a.png").unlink()


def other_size(data):
    data.mask("masks/P1_a.png", size=(10, 10))


def unknown_label(data):
    data.mask("masks/P1_a.png", 77)


def no_image(data):
    data.text("images/P1_a.png", "hello")


def bomb(data):
    (data.path / "images/P1_a.png").unlink()
    header = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    header += (40_000).to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24)
    data.text("images/P1_a.bmp", header)


def two_layouts(data):
    data.image("1_1.tif")
    data.mask("1_1_mask.tif")


def outside(data):
    data.manifest("../secret.png,masks/P1_a.png")


def empty(data):
    for file in sorted(data.path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()


BAD_DATA = pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (no_mask, "images/P1_a.png: no mask"),
        (other_size, "masks/P1_a.png: the mask is 10 x 10"),
        (unknown_label, "masks/P1_a.png: unknown label value 77"),
        (no_image, "images/P1_a.png: not an image"),
        (bomb, "images/P1_a.bmp: too many pixels"),
        (two_layouts, "say which with --layout"),
        (outside, "leaves the manifest's folder"),
        (empty, "is empty; expected"),
    ],
)


@BAD_DATA
@pytest.mark.parametrize("verb", ["split", "show-augment"])
def test_bad_data_is_one_sentence_and_nothing_is_written(cli, pairs, tmp_path, verb, spoil, fault):
    spoil(pairs)
    out = tmp_path / "new" / "out.png"
    check_refused(cli(verb, pairs.path, "--out", out), fault)
    assert not out.parent.exists()


@BAD_DATA
def test_training_on_bad_data_makes_no_run(cli, pairs, tmp_path, spoil, fault):
    spoil(pairs)
    result = cli("train", pairs.path, "--epochs", 1, "--out", tmp_path / "run")
    check_refused(result, fault)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--layout", "cocoa"], "--layout cocoa: unknown; expected one of"),
        (["--classes", "nerve,nerve"], "--classes nerve,nerve: expected different names"),
        (["--classes", "a,,b"], "--classes a,,b: expected"),
        (["--subject-pattern", "("], "--subject-pattern '(': not a regular expression"),
        (["--subject-pattern", "(P)"], "1 group(s) by subject; expected at least 3"),
        (["--folds", "9", "--subject-pattern", "(P[0-9])"], "6 group(s) by subject; expected at least 10"),
    ],
)
def test_bad_options_of_split_are_one_sentence(cli, pairs, tmp_path, options, fault):
    out = tmp_path / "new" / "split.json"
    check_refused(cli("split", pairs.path, "--out", out, *options), fault)
    assert not out.parent.exists()


def test_what_is_there_is_kept_unless_told(cli, pairs, tmp_path):
    out = tmp_path / "split.json"
    out.write_text("mine")
    arguments = ["split", pairs.path, "--out", out, "--subject-pattern", "(P[0-9])"]
    check_refused(cli(*arguments), "is there already; use --overwrite")
    assert out.read_text() == "mine"
    assert cli(*arguments, "--overwrite")[0] == 0
    assert out.read_text() != "mine"


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_model_that_is_not_there_is_one_sentence(cli, pairs, tmp_path, verb):
    what = pairs.path / "images/P0_a.png" if verb == "predict" else pairs.path
    out = tmp_path / "new" / "out"
    check_refused(cli(verb, what, "--model", tmp_path / "none", "--out", out), "none")
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--budget", "soon"], "soon"),
        (["--model", "gpt"], "gpt"),
        (["--set", "network.wdith=3"], "wdith"),
        (["--split", "nowhere.json"], "nowhere.json"),
        (["--size", "-5"], "longest"),
        (["--epochs", "1", "--budget", "30s"], "budget_s and epochs both say how long"),
        (["--early-stopping", "0"], "--early-stopping: "),
        (["--spacing-mm", "0.1"], "--spacing-mm 0.1: expected ROW,COL"),
        (["--spacing-mm", "0,1"], "--spacing-mm 0,1: expected two positive numbers"),
    ],
)
def test_bad_options_of_train_are_one_sentence_and_make_no_run(cli, pairs, tmp_path, options, fault):
    result = cli("train", pairs.path, "--out", tmp_path / "run", *options)
    check_refused(result, fault)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["split", "train"])
def test_a_bad_clip_is_one_sentence(cli, data_folder, tmp_path, verb):
    data_folder.text("videos/a.mp4", "#EXTM3U\n")
    data_folder.text("video_boxes.csv", 'video,frame,boxes_xywh\na,3,"[[1, 2, 3, 4]]"\n')
    result = cli(verb, data_folder.path, "--out", tmp_path / "new" / "out")
    check_refused(result, "videos/a.mp4: not a video, by its first bytes")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("verb", ["split", "show-augment", "train", "phantom"])
def test_a_place_below_a_file_is_refused_before_any_work(cli, pairs, tmp_path, verb):
    (tmp_path / "file").write_text("mine")
    data = [] if verb == "phantom" else [pairs.path]
    result = cli(verb, *data, "--out", tmp_path / "file" / "out.png")
    check_refused(result, f"{tmp_path / 'file'} is a file, not a folder")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("verb", ["split", "show-augment"])
def test_a_folder_is_not_replaced_by_a_file(cli, pairs, tmp_path, verb):
    result = cli(verb, pairs.path, "--out", tmp_path, "--overwrite")
    check_refused(result, "is a folder; expected the name of a file")


def test_a_picture_of_another_kind_is_refused(cli, pairs, tmp_path):
    check_refused(cli("show-augment", pairs.path, "--out", tmp_path / "a.jpg"), "ends in .png")


def test_a_file_that_the_system_refuses_is_one_sentence(cli, pairs, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = cli("show-augment", pairs.path, "--out", tmp_path / "new" / "a.png")
    check_refused(result, f"{tmp_path / 'new' / 'a.png'}: cannot be read or written (No space left on device)")
    assert not list((tmp_path / "new").iterdir())


def test_an_interrupt_says_how_to_go_on(cli, pairs, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sononerve.train.run.train", interrupted)
    status, _, error = cli("train", pairs.path, "--out", tmp_path / "run")
    assert status == 130
    assert "a training goes on with --resume" in error
    assert "Traceback" not in error


def test_a_phantom_that_cannot_be_names_the_option(cli, tmp_path):
    check_refused(cli("phantom", "--out", tmp_path / "p", "--empty", "2"), "--empty")
    check_refused(cli("phantom", "--out", tmp_path / "p", "--size", "1"), "--size")
    check_refused(cli("phantom", "--out", tmp_path / "p", "--set", "needle.shore=1"), "shore")
    check_refused(cli("phantom", "--out", tmp_path / "p", "--set", "look.gain_db=200"), "gain_db")
    assert not (tmp_path / "p").exists()


def test_a_frame_number_that_is_not_there_says_how_many_there_are(cli, pairs, tmp_path):
    result = cli("show-augment", pairs.path, "--frame", 6, "--out", tmp_path / "a.png")
    check_refused(result, "--frame 6: the data set has 6 frames")
    assert not (tmp_path / "a.png").exists()


def test_good_data_is_split_by_subject(cli, pairs, tmp_path):
    out = tmp_path / "new" / "split.json"
    status, said, _ = cli("split", pairs.path, "--out", out, "--subject-pattern", "(P[0-9])", "--json")
    assert status == 0
    assert '"grouping": "by subject"' in said
    assert out.is_file()


def test_the_real_command_ends_with_status_2_and_one_line(pairs, tmp_path):
    rng = np.random.default_rng(0)
    pairs.save("images/P1_a.png", rng.integers(0, 256, (30, 30), dtype=np.uint8))
    call = [sys.executable, "-c", "from sononerve.cli import main; main()"]
    command = [*call, "split", str(pairs.path), "--out", str(tmp_path / "split.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    check_refused((ended.returncode, ended.stdout, ended.stderr), "masks/P1_a.png: the mask is 32 x 24")
    assert not (tmp_path / "split.json").exists()
