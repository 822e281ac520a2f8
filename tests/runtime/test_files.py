"""Many files into a folder: by hand, resumed after an interruption, and with a bad one among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bright import bright_files, bright_frame, rising_files
from written import contents, pixels, table

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.io.images import write_png
from sononerve.overlay import colour
from sononerve.runtime.bundle import CONFIG, write_bundle
from sononerve.runtime.files import TABLE, Outcome, Wanted, list_files, predict_files
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.ways import Ways


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """Three frames: nerve and vessel, nerve alone, and nothing."""
    folder = tmp_path / "frames"
    write_png(folder / "a.png", bright_frame(vessel=True))
    write_png(folder / "b.png", bright_frame(30, 50))
    write_png(folder / "c.png", np.zeros((20, 20), np.uint8))
    return sorted(folder.iterdir())


def test_masks_hold_label_values_at_the_size_of_the_frame(both: Predictor, frames: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert predict_files(both, frames, out, Wanted()) == Outcome(3, 0, ())
    expected = np.zeros((40, 60), np.uint8)
    expected[8:12, 20:30] = 1
    expected[20:23, 5:8] = 2
    assert np.array_equal(pixels(out / "a.png"), expected)
    assert pixels(out / "b.png").shape == (30, 50)
    assert not pixels(out / "c.png").any()


def test_the_table_is_as_measured_by_hand(both: Predictor, frames: list[Path], tmp_path: Path) -> None:
    predict_files(both, frames, tmp_path / "out", Wanted(), spacing_mm=(0.5, 0.1))
    first, second, *_, last = table(tmp_path / "out")
    assert first == {
        "file": str(frames[0]),
        "frame": "",
        "time_s": "",
        "class": "nerve",
        "presence": "0.9000",
        "area_px": "40",
        "area_mm2": "2.000",
        "centroid_x": "24.5",
        "centroid_y": "9.5",
        "box_x": "20",
        "box_y": "8",
        "box_width": "10",
        "box_height": "4",
        "expected_dice": "0.9474",  # 2 · 0.9 · 40 / (40 + 0.9 · 40)
        "uncertainty": "",
        "strangeness": "",
        "model": both.bundle.identity,
    }
    assert (second["class"], second["area_px"], second["box_x"], second["box_y"]) == ("vessel", "9", "5", "20")
    assert (last["file"], last["area_px"], last["centroid_x"], last["box_height"]) == (str(frames[2]), "0", "", "")
    assert last["expected_dice"] == ""
    assert len(table(tmp_path / "out")) == 6


def test_without_spacing_no_area_in_mm_is_claimed(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    predict_files(nerve, frames, tmp_path / "out", Wanted())
    assert {row["area_mm2"] for row in table(tmp_path / "out")} == {""}


def test_overlays_outline_what_was_found_and_leave_the_rest(
    both: Predictor, frames: list[Path], tmp_path: Path
) -> None:
    predict_files(both, frames, tmp_path / "out", Wanted())
    drawn = pixels(tmp_path / "out" / "overlays" / "a.png")
    assert drawn.shape == (40, 60, 3)
    assert tuple(drawn[8, 20]) == colour(1)
    assert tuple(drawn[20, 5]) == colour(2)
    assert tuple(drawn[0, 0]) == (30, 30, 30)


def test_probabilities_are_16_bit_at_native_size(both: Predictor, frames: list[Path], tmp_path: Path) -> None:
    predict_files(both, frames, tmp_path / "out", Wanted(overlays=False, probabilities=True))
    nerve, vessel = (pixels(tmp_path / "out" / "probabilities" / f"a_{name}.png") for name in ("nerve", "vessel"))
    assert nerve.shape == (40, 60)
    assert nerve[8, 20] == round(0.9 * 65535)
    assert vessel[20, 5] == round(0.8 * 65535)
    assert nerve[0, 0] == 0
    assert not (tmp_path / "out" / "overlays").exists()


@pytest.mark.parametrize("classes", [("mask", "overlay"), ("../../x", "a/b"), ("n. medianus", "*"), ("Nerv", "Gefäß")])
def test_any_names_of_classes_make_files_in_the_folder(
    classes: tuple[str, str], frames: list[Path], tmp_path: Path
) -> None:
    write_bundle(tmp_path / "bundle", bright_files(classes))
    out = tmp_path / "deep" / "down" / "out"
    predict_files(Predictor.load(tmp_path / "bundle"), frames[:1], out, Wanted(probabilities=True))
    assert set(pixels(out / "a.png").ravel()) == {0, 1, 2}
    assert len(list((out / "probabilities").iterdir())) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "deep", "frames"]


def test_a_mask_ending_is_put_behind_the_name(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    predict_files(nerve, frames, tmp_path / "out", Wanted(mask_ending="_mask", overlays=False))
    assert sorted(contents(tmp_path / "out")) == ["a_mask.png", "b_mask.png", "c_mask.png", TABLE]


def test_a_bad_file_is_noted_and_the_rest_goes_on(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    frames[1].write_bytes(frames[1].read_bytes()[:40])
    gone = tmp_path / "gone.png"
    outcome = predict_files(nerve, [frames[0], frames[1], gone, frames[2]], tmp_path / "out", Wanted())
    assert (outcome.done, outcome.skipped, len(outcome.failed)) == (2, 0, 2)
    assert str(frames[1]) in outcome.failed[0]
    assert "gone.png: no such file" in outcome.failed[1]
    assert [row["file"] for row in table(tmp_path / "out")] == [str(frames[0]), str(frames[2])]
    assert not (tmp_path / "out" / "b.png").exists()


def test_nothing_is_replaced_unless_told(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_png(out / "b.png", np.full((3, 3), 7, np.uint8))
    before = contents(out)
    with pytest.raises(InputError, match=r"b\.png: is there already; use --resume"):
        predict_files(nerve, frames, out, Wanted())
    assert contents(out) == before
    assert predict_files(nerve, frames, out, Wanted(), overwrite=True).done == 3
    assert pixels(out / "b.png").shape == (30, 50)


def test_resuming_with_other_frames_of_the_same_names_is_refused(
    both: Predictor, frames: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict_files(both, frames, out, Wanted())
    before = contents(out)
    write_png(tmp_path / "new" / "b.png", bright_frame())
    with pytest.raises(InputError, match=r"out/b\.png: is of .*frames/b\.png, and .*new/b\.png would replace it"):
        predict_files(both, [tmp_path / "new" / "b.png"], out, Wanted(), resume=True)
    assert contents(out) == before


@pytest.mark.parametrize("freely", [{"overwrite": True}, {"resume": True}])
def test_the_frames_themselves_are_never_replaced(
    nerve: Predictor, frames: list[Path], freely: dict[str, bool]
) -> None:
    before = contents(frames[0].parent)
    with pytest.raises(InputError, match=r"a\.png: is a frame to be segmented.*another --out"):
        predict_files(nerve, frames, frames[0].parent, Wanted(), **freely)
    assert contents(frames[0].parent) == before


@pytest.mark.parametrize("lost", [1, 5, 60, 100, 101, 150, 260, 400])
def test_resumed_after_an_interruption_the_folder_is_as_if_there_had_been_none(
    both: Predictor, frames: list[Path], tmp_path: Path, lost: int
) -> None:
    """Killed while the table was written: its last bytes are missing, in a row or between the rows of a frame."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    predict_files(both, frames, whole, Wanted())
    predict_files(both, frames, out, Wanted())
    content = (out / TABLE).read_bytes()
    (out / TABLE).write_bytes(content[: max(0, len(content) - lost)])
    predict_files(both, frames, out, Wanted(), resume=True)
    assert contents(out) == contents(whole)


def test_uncertainty_is_16_bit_and_its_mean_in_what_was_found_stands_in_the_table(
    frames: list[Path], tmp_path: Path
) -> None:
    """0.1, 0.2, ... 1 and its mirror image: 0.55 everywhere, least uncertain in the middle."""
    write_bundle(tmp_path / "bundle", rising_files())
    write_png(tmp_path / "wide.png", np.zeros((2, 10), np.uint8))
    predictor = Predictor.load(tmp_path / "bundle", ways=Ways(flip=True))
    predict_files(predictor, [tmp_path / "wide.png"], tmp_path / "out", Wanted(uncertainty=True))
    stored = pixels(tmp_path / "out" / "uncertainty" / "wide.png")
    found = predictor.predict(Frame(np.zeros((2, 10), np.uint8)))
    assert stored.dtype == np.uint16
    assert stored.max() > stored[0, 4]
    np.testing.assert_allclose(stored / 65535, found.uncertainty, atol=1e-5)
    (row,) = table(tmp_path / "out")
    assert float(row["uncertainty"]) == pytest.approx(found.uncertainty[found.labels == 1].mean(), abs=1e-4)
    assert row["model"] == predictor.identity


def test_uncertainty_of_one_look_is_refused_before_anything_is_written(
    nerve: Predictor, frames: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"--uncertainty: .*--flip.*sononerve ensemble"):
        predict_files(nerve, frames, tmp_path / "out", Wanted(uncertainty=True))
    assert not (tmp_path / "out").exists()


def test_flipped_and_plain_predictions_do_not_mix(
    bundle: Path, nerve: Predictor, frames: list[Path], tmp_path: Path
) -> None:
    predict_files(nerve, frames[:1], tmp_path / "out", Wanted())
    with pytest.raises(InputError, match="with --flip or without"):
        predict_files(Predictor.load(bundle, ways=Ways(flip=True)), frames, tmp_path / "out", Wanted(), resume=True)


def test_resuming_leaves_finished_frames_alone(both: Predictor, frames: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict_files(both, frames[:2], out, Wanted())
    (out / "a.png").write_bytes(b"as it was")
    outcome = predict_files(both, frames, out, Wanted(), resume=True)
    assert outcome == Outcome(done=1, skipped=2, failed=())
    assert (out / "a.png").read_bytes() == b"as it was"
    assert len(table(out)) == 6


def test_resuming_makes_again_what_is_missing(both: Predictor, frames: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict_files(both, frames, out, Wanted())
    before = table(out)
    (out / "a.png").unlink()
    assert predict_files(both, frames, out, Wanted(), resume=True) == Outcome(1, 2, ())
    assert (out / "a.png").is_file()
    assert sorted(map(str, table(out))) == sorted(map(str, before))
    assert predict_files(both, frames, out, Wanted(probabilities=True), resume=True) == Outcome(3, 0, ())
    assert len(list((out / "probabilities").iterdir())) == 6


def test_another_model_does_not_go_on_with_a_table(
    nerve: Predictor, both: Predictor, frames: list[Path], tmp_path: Path
) -> None:
    predict_files(nerve, frames[:1], tmp_path / "out", Wanted())
    stricter = bright_files()
    stricter[CONFIG] += b"threshold: 0.7\n"
    write_bundle(tmp_path / "stricter", stricter)
    before = contents(tmp_path / "out")
    for other in (Predictor.load(tmp_path / "stricter"), both):
        with pytest.raises(InputError, match="was begun with another model"):
            predict_files(other, frames, tmp_path / "out", Wanted(), resume=True)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("ending", ["/../../escaped", "a/b", "a\\b", "\0"])
def test_an_ending_that_would_leave_the_folder_is_refused(
    nerve: Predictor, frames: list[Path], tmp_path: Path, ending: str
) -> None:
    with pytest.raises(InputError, match="without a folder"):
        predict_files(nerve, frames, tmp_path / "out", Wanted(mask_ending=ending))
    assert not (tmp_path / "out").exists()


def test_only_bad_files_leave_nothing_behind(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    frames[0].write_bytes(b"")
    assert len(predict_files(nerve, [frames[0], tmp_path / "none.png"], tmp_path / "out", Wanted()).failed) == 2
    assert not (tmp_path / "out").exists()


def test_hidden_files_beside_the_images_are_left_alone(frames: list[Path]) -> None:
    (frames[0].parent / "._a.png").write_bytes(b"what macOS leaves")
    assert "._a.png" not in [file.name for file in list_files([frames[0].parent])]


def test_one_file_under_two_names_is_one(frames: list[Path]) -> None:
    assert list_files([frames[0], frames[0].parent / ".." / frames[0].parent.name / frames[0].name]) == [frames[0]]


def test_resuming_tries_a_bad_file_again(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    good = frames[1].read_bytes()
    frames[1].write_bytes(b"")
    assert len(predict_files(nerve, frames, tmp_path / "out", Wanted()).failed) == 1
    frames[1].write_bytes(good)
    assert predict_files(nerve, frames, tmp_path / "out", Wanted(), resume=True) == Outcome(1, 2, ())


@pytest.mark.parametrize("content", [b"a,b\r\n1,2\r\n", b"\xff\xfe\r\n", b"file,class\r\n"])
def test_a_foreign_table_is_refused_and_kept(
    nerve: Predictor, frames: list[Path], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / TABLE).write_bytes(content)
    with pytest.raises(InputError, match="not a table of this version"):
        predict_files(nerve, frames, tmp_path / "out", Wanted(), resume=True)
    assert contents(tmp_path / "out") == {TABLE: content}


def test_progress_counts_every_file(nerve: Predictor, frames: list[Path], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    predict_files(nerve, frames, tmp_path / "out", Wanted(), progress=lambda *n: told.append(n))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_names_with_commas_quotes_and_line_ends_survive_a_resumption(nerve: Predictor, tmp_path: Path) -> None:
    odd = tmp_path / 'a, "b"\nc.png'
    write_png(odd, bright_frame())
    write_png(tmp_path / "d.png", bright_frame())
    predict_files(nerve, [odd], tmp_path / "out", Wanted())
    outcome = predict_files(nerve, [odd, tmp_path / "d.png"], tmp_path / "out", Wanted(), resume=True)
    assert outcome == Outcome(1, 1, ())
    assert [row["file"] for row in table(tmp_path / "out")] == [str(odd), str(tmp_path / "d.png")]


def test_a_folder_gives_its_images_in_order_and_not_those_below(frames: list[Path]) -> None:
    folder = frames[0].parent
    write_png(folder / "below" / "d.png", bright_frame())
    (folder / "notes.txt").write_text("not an image")
    assert list_files([folder]) == frames
    assert list_files([frames[2], folder]) == [frames[2], *frames[:2]]


def test_two_files_of_one_stem_are_refused(frames: list[Path], tmp_path: Path) -> None:
    write_png(tmp_path / "other" / "a.png", bright_frame())
    with pytest.raises(InputError, match="would have one output; give each its own --out"):
        list_files([*frames, tmp_path / "other" / "a.png"])


def test_outputs_that_would_be_one_file_are_refused(both: Predictor, tmp_path: Path) -> None:
    """``a`` with the class "vessel" and ``a_nerve``, say."""
    write_bundle(tmp_path / "bundle", bright_files(("b_c", "c")))
    files = [tmp_path / "a.png", tmp_path / "a_b.png"]
    for file in files:
        write_png(file, bright_frame())
    with pytest.raises(InputError, match=r"a_b_c\.png; predict them into two folders"):
        predict_files(Predictor.load(tmp_path / "bundle"), files, tmp_path / "out", Wanted(probabilities=True))
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image; expected PNG"):
        list_files([tmp_path])
