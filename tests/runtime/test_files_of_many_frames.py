"""Files of many frames, videos and DICOM and NIfTI, become folders of masks; cut off or interrupted too."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bright import bright_frame
from clips import write_clip
from dicoms import region, ultrasound, write
from written import contents, pixels, table

from sononerve.io.frames import count_frames
from sononerve.io.images import write_png
from sononerve.runtime.files import TABLE, Outcome, Wanted, list_files, predict_files
from sononerve.runtime.predictor import Predictor


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four frames without loss: a nerve, nothing, a nerve, a nerve."""
    pictures = [bright_frame(40, 60), np.zeros((40, 60), np.uint8), bright_frame(40, 60), bright_frame(40, 60)]
    return write_clip(tmp_path / "in" / "clip.avi", pictures, "FFV1", fps=10)


def test_a_video_becomes_a_folder_of_masks_and_a_row_per_frame(nerve: Predictor, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert predict_files(nerve, [clip], out, Wanted("_m", probabilities=True)) == Outcome(4, 0, ())
    expected = np.zeros((40, 60), np.uint8)
    expected[8:12, 20:30] = 1
    for place in range(4):
        assert np.array_equal(pixels(out / "clip" / f"{place:06}_m.png"), expected * (place != 1))
        assert (out / "overlays" / "clip" / f"{place:06}.png").is_file()
        assert (out / "probabilities" / "clip" / f"{place:06}_nerve.png").is_file()
    rows = table(out)
    assert [(row["file"], row["frame"], row["time_s"]) for row in rows] == [
        (str(clip), str(place), f"{place / 10:.3f}") for place in range(4)
    ]
    assert [row["area_px"] for row in rows] == ["40", "0", "40", "40"]


def test_a_video_that_was_interrupted_goes_on_at_its_frame(nerve: Predictor, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict_files(nerve, [clip], out, Wanted())
    before = contents(out)
    whole = (out / TABLE).read_bytes()
    (out / TABLE).write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    (out / "clip" / "000000.png").unlink()
    assert predict_files(nerve, [clip], out, Wanted(), resume=True) == Outcome(3, 1, ())
    assert contents(out).keys() == before.keys()
    assert sorted(row["frame"] for row in table(out)) == ["0", "1", "2", "3"]
    assert predict_files(nerve, [clip], out, Wanted(), resume=True) == Outcome(0, 4, ())


def test_stills_and_files_of_many_frames_go_together(nerve: Predictor, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    write_png(folder / "a.png", bright_frame())
    stack = np.stack([bright_frame(), np.zeros((40, 60), np.uint8)])
    regions = [region(0.05)]
    write(folder / "1.2.840.1", ultrasound(stack, FrameTime=50, SequenceOfUltrasoundRegions=regions))
    write(folder / "one.dcm", ultrasound(stack[:1]))
    nib.save(nib.Nifti1Image(stack.T, np.eye(4)), folder / "volume.nii.gz")
    (folder / "notes.csv").write_text("nothing")
    assert predict_files(nerve, list_files([folder]), out, Wanted(overlays=False), spacing_mm=(1, 0.1)).failed == ()
    masks = {f"{name}/{place:06}.png" for name in ("1.2.840.1", "volume") for place in (0, 1)}
    assert contents(out).keys() == {TABLE, "a.png", "one.png", *masks}
    rows = {(Path(row["file"]).name, row["frame"]): row for row in table(out)}
    assert rows["1.2.840.1", "0"]["area_mm2"] == "10.000"  # 40 pixels of 0.5 x 0.5, as the file says
    assert rows["1.2.840.1", "1"]["time_s"] == "0.050"
    assert rows["one.dcm", ""]["area_mm2"] == "4.000"  # as given
    assert [rows["volume.nii.gz", n]["area_px"] for n in "01"] == ["40", "0"]


def test_a_video_cut_off_gives_its_frames_and_one_of_nothing_one_sentence(nerve: Predictor, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in" / "clip.avi", [bright_frame(64, 64)] * 30, "MJPG")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    held = count_frames(clip)
    (tmp_path / "in" / "none.mp4").write_bytes(b"nothing")
    outcome = predict_files(nerve, list_files([tmp_path / "in"]), tmp_path / "out", Wanted(overlays=False))
    assert 5 < held < 30
    assert outcome.done == held
    assert len(outcome.failed) == 1
    assert "none.mp4: not a video" in outcome.failed[0]


def test_a_frame_that_cannot_be_read_ends_its_file_and_not_the_others(nerve: Predictor, tmp_path: Path) -> None:
    stack = np.stack([bright_frame()] * 3)
    bad = write(tmp_path / "in" / "a.dcm", ultrasound(stack, NumberOfFrames=50))
    write_png(tmp_path / "in" / "b.png", bright_frame())
    outcome = predict_files(nerve, list_files([tmp_path / "in"]), tmp_path / "out", Wanted())
    assert (outcome.done, outcome.skipped, len(outcome.failed)) == (4, 0, 1)
    assert outcome.failed[0].startswith(f"{bad}: ")
