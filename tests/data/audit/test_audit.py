"""The audit names what was put wrong into a data set, and leaves a sound one alone."""

import json

import numpy as np
import pytest
from clips import write_clip
from dicoms import ultrasound, write

from sononerve.data.audit import audit
from sononerve.data.audit.page import write_audit
from sononerve.data.dataset import load_dataset
from sononerve.data.phantom import PhantomConfig
from sononerve.data.phantom import frame as phantom_frame
from sononerve.data.split import split
from sononerve.errors import InputError

CONFIG = PhantomConfig(subjects=8, frames=1, height=320, width=400, empty=0, seed=4)


def fill(data_folder, *rows):
    """Phantom frames of eight subjects, and ``rows`` more of the manifest."""
    for subject in range(CONFIG.subjects):
        sample = phantom_frame(CONFIG, subject, 0)
        data_folder.save(f"{subject}.png", sample.frame.pixels)
        data_folder.save(f"{subject}_mask.png", sample.labels)
    subjects = [f"{s}.png,{s}_mask.png,{s},0.1" for s in range(CONFIG.subjects)]
    data_folder.manifest(*subjects, *rows, header="image,mask,subject,spacing")
    return data_folder.path


def test_a_sound_set_has_counts_and_no_warning(data_folder):
    found = audit(load_dataset(fill(data_folder)))
    assert found.warnings == []
    assert (found.frames, found.subjects, found.videos, found.layout) == (8, 8, None, "manifest")
    assert (found.sizes, found.spacing_known, found.spacings_mm) == ({"400x320": 8}, 8, [(0.1, 0.1)])
    nerve = found.areas["nerve"]
    assert nerve.frames == 8 and nerve.smallest_px <= nerve.median_px <= nerve.largest_px
    assert nerve.median_mm2 == pytest.approx(nerve.median_px / 100, rel=0.02)


@pytest.fixture
def spoilt(data_folder):
    """Subject 3 comes again under another name, smaller and brighter, with an empty mask; one frame cannot be read."""
    sample = phantom_frame(CONFIG, 3, 0)
    again = (sample.frame.pixels[20:, 16:] * 1.2).clip(0, 255).astype(np.uint8)
    data_folder.save("again.png", again)
    data_folder.save("again_mask.png", 0 * sample.labels[20:, 16:])
    data_folder.text("broken.png", b"no picture")
    data_folder.mask("broken_mask.png")
    return fill(data_folder, "again.png,again_mask.png,X,0.1", "broken.png,broken_mask.png,Y,0.1")


def test_what_was_spoilt_is_named(spoilt):
    faults = []
    dataset = load_dataset(spoilt, faults=faults)
    found = audit(dataset, faults=faults)
    assert found.duplicates == [["3.png", "again.png"]]
    assert {(c.files, c.name, c.empty) for c in found.contradictions} >= {
        (("3.png", "again.png"), "nerve", "again.png")
    }
    assert [leak.sides for leak in found.one_person] == [("3", "X")]
    assert found.empty == ["again.png"]
    assert len(found.faults) == 1 and "broken.png" in found.faults[0]
    assert [warning.split()[0] for warning in found.warnings] == ["1", "1", "1"]


def test_a_split_that_tears_duplicates_apart_is_told(spoilt):
    dataset = load_dataset(spoilt, faults=[])
    leaky = split(dataset, test=0.5, leaky_frame_split=True)
    apart = next(
        torn
        for torn in (split(dataset, test=0.5, leaky_frame_split=True, seed=seed) for seed in range(50))
        if ("3.png" in torn.folds[0].test) != ("again.png" in torn.folds[0].test)
    )
    assert [set(leak.sides) & {"test"} for leak in audit(dataset, apart).leaks] == [{"test"}]
    assert audit(dataset, split(dataset)).leaks == []
    assert leaky.leaks


@pytest.mark.parametrize("fault", ["fold", "data"])
def test_a_split_of_other_data_is_no_clean_one(spoilt, tmp_path, fault):
    dataset = load_dataset(spoilt, faults=[])
    few = split(dataset.select(range(6)))
    with pytest.raises(InputError, match="--fold 3" if fault == "fold" else "3 of 9 frames are not in the split"):
        audit(dataset, few, fold=3 if fault == "fold" else 0)


def test_a_frame_that_cannot_be_decoded_is_listed_and_the_others_are_looked_at(data_folder):
    folder = fill(data_folder)
    whole = (folder / "5.png").read_bytes()
    (folder / "5.png").write_bytes(whole[: len(whole) // 2])
    found = audit(load_dataset(folder))
    assert found.frames == 7
    assert [fault.split(":")[0] for fault in found.faults] == [str(folder / "5.png")]


def test_colour_flow_in_a_video_and_a_dicom_is_told(data_folder):
    gray = phantom_frame(CONFIG, 0, 0).frame.pixels
    flow = np.dstack([gray] * 3)
    flow[120:180, 150:230] = (220, 40, 30)
    write_clip(data_folder.path / "a.avi", [flow] * 2, "MJPG")
    write(data_folder.path / "b.dcm", ultrasound(flow[None]))
    data_folder.save("c.png", gray)
    rows = [f'{name},,{frame},"[[20, 20, 40, 40]]"' for name, frame in (("a.avi", 1), ("b.dcm", 0), ("c.png", ""))]
    data_folder.manifest(*rows, header="image,mask,frame,boxes_xywh")
    found = audit(load_dataset(data_folder.path)).screen
    assert {finding.file.split(".")[0] for finding in found if finding.kind == "doppler"} == {"a", "b"}


def test_the_page_shows_every_pair_and_the_json_reads_back(spoilt, tmp_path):
    faults = []
    dataset = load_dataset(spoilt, faults=faults)
    page = write_audit(audit(dataset, faults=faults), dataset, tmp_path / "out").read_text(encoding="utf-8")
    told = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert told["duplicates"] == [["3.png", "again.png"]]
    pictures = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    assert pictures and all(f'src="pictures/{name}"' in page for name in pictures)
    for heading in (
        "Near-duplicates (1)",
        "contradictory masks",
        "Subjects who may be one person",
        "Files that cannot",
    ):
        assert heading in page


def test_a_page_does_not_replace_what_is_there(data_folder, tmp_path):
    dataset = load_dataset(fill(data_folder))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="mine"):
        write_audit(audit(dataset), dataset, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_names_from_files_are_text_on_the_page(data_folder, tmp_path):
    data_folder.pair("<script>alert(1)")
    data_folder.pair("b")
    dataset = load_dataset(data_folder.path)
    page = write_audit(audit(dataset), dataset, tmp_path / "out").read_text(encoding="utf-8")
    assert "<script>" not in page


def test_every_file_that_does_not_pair_is_listed(data_folder):
    data_folder.pair("good")
    data_folder.image("images/no_mask.png")
    data_folder.mask("masks/no_image.png")
    faults = []
    assert load_dataset(data_folder.path, faults=faults).names == ["images/good.png"]
    assert [name for name in ("no_mask.png: no mask", "no_image.png: a mask") for f in faults if name in f] and len(
        faults
    ) == 2
    with pytest.raises(InputError, match=r"no_mask.png: no mask.*1 more file\(s\) are wrong"):
        load_dataset(data_folder.path)


def test_a_set_without_one_usable_frame_is_refused(data_folder):
    data_folder.text("images/a.png", b"no")
    data_folder.mask("masks/a.png")
    with pytest.raises(InputError, match="none of 1 frames can be used"):
        load_dataset(data_folder.path, faults=[])


def test_the_real_set_has_what_was_seen_by_eye(usgra):
    found = audit(usgra)
    assert len(found.pairs) == 28
    assert [c.files for c in found.contradictions] == [("images/0043.png", "images/0077.png")]
    assert {f.file for f in found.masks if f.kind == "outside"} == {"images/0071.png", "images/0199.png"}
