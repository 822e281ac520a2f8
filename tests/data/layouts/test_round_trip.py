"""What a layout can hold comes back exactly; what it cannot hold is named by `facts`, and is unknown afterwards."""

import tempfile
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sononerve.data.dataset import load_dataset
from sononerve.data.layouts import LAYOUTS
from sononerve.data.layouts.facts import facts
from sononerve.errors import InputError
from sononerve.frame import Frame, Sample

CLASSES = st.sampled_from([("nerve",), ("nerve", "vessel"), ("n. ulnaris", "Gefäß, groß", "<b> & 'c'")])
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8)
TEXTS = WORDS.map(str.strip).filter(bool)
PARTS = st.one_of(st.sampled_from(["a", "A", "images", "train", "b c", "ü", "x.y", "a_mask", "..."]), TEXTS)
NAMES = st.lists(PARTS.map(lambda p: p.replace("/", "-").replace("\\", "-")), min_size=1, max_size=3).map("/".join)
SIDES = st.integers(1, 9) | st.sampled_from([40, 70])
MILLIMETRES = st.floats(0.001, 9)

WRITABLE = [name for name, layout in LAYOUTS.items() if layout.writer is not None]


@st.composite
def labels(draw, size, classes):
    """Nothing, everything, one pixel, the border, or anything."""
    kind, value = draw(st.sampled_from(["empty", "full", "pixel", "border", "any"])), draw(st.integers(1, classes))
    drawn = np.zeros(size, np.uint8)
    if kind == "full":
        drawn[:] = value
    elif kind == "pixel":
        drawn[draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))] = value
    elif kind == "border":
        drawn[[0, -1]] = drawn[:, [0, -1]] = value
    elif kind == "any":
        drawn = draw(arrays.arrays(np.uint8, size, elements=st.integers(0, classes)))
    return drawn


@st.composite
def boxes(draw, size):
    """Boxes that lie in the frame, with any fraction that float32 has."""
    rows = draw(
        st.lists(st.tuples(*[st.floats(0, 0.75, width=32)] * 2, *[st.floats(0.125, 9, width=32)] * 2), max_size=3)
    )
    return np.array([[x * size[1], y * size[0], w, h] for x, y, w, h in rows], np.float32).reshape(-1, 4)


@st.composite
def samples(draw, classes):
    """A named sample of which as much is known as there is."""
    size = draw(SIDES), draw(SIDES)
    pixels = draw(arrays.arrays(np.uint8, size, fill=st.just(0)))
    spacing = draw(st.none() | st.tuples(MILLIMETRES, MILLIMETRES))
    return draw(NAMES), Sample(
        Frame(pixels, spacing, source="drawn"),
        draw(labels(size, len(classes))),
        draw(TEXTS),
        draw(st.none() | TEXTS),
        draw(st.none() | st.integers(0, 10**6)),
        draw(boxes(size)),
        draw(st.none() | TEXTS),
    )


@st.composite
def data_sets(draw):
    """Classes, and named samples."""
    classes = draw(CLASSES)
    return classes, draw(st.lists(samples(classes), min_size=1, max_size=4, unique_by=lambda named: named[0]))


def known(sample):
    """What is known of a sample, by the names of facts."""
    return {
        "subject": sample.subject,
        "video": sample.video,
        "frame number": sample.index,
        "spacing": sample.frame.spacing_mm,
        "boxes": None if sample.boxes is None else sample.boxes.tolist(),
        "annotator": sample.annotator,
    }


@pytest.mark.parametrize("layout", WRITABLE)
@settings(max_examples=40)
@given(data=data_sets())
def test_what_is_written_is_read_again(layout, data):
    classes, named = data
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "out"
        names = LAYOUTS[layout].write(iter(named), classes, folder)
        found = load_dataset(folder)
        assert found.layout == layout
        assert len(found) == len(named) == len(names.given)
        assert [old for _, old, _ in names.given] == [name for name, _ in named]
        holds = LAYOUTS[layout].holds
        assert found.classes == (classes if "further classes" in holds else classes[:1])
        for (new, _, _), (_, sample) in zip(names.given, named, strict=True):
            same = found[found.names.index(new)]
            assert np.array_equal(same.frame.pixels, sample.frame.pixels)
            kept = sample.labels if "further classes" in holds else (sample.labels == 1)
            assert np.array_equal(same.labels, kept)
            if layout != "kaggle":  # renumbers, see there
                assert known(same) == {key: value if key in holds else None for key, value in known(sample).items()}
            assert set(facts(same)) <= holds


@pytest.mark.parametrize("layout", WRITABLE)
def test_names_stay_after_the_first_time(layout, tmp_path):
    """Written twice, a data set has the names of the first writing."""
    frame = Frame(np.zeros((3, 4), np.uint8))
    named = [
        (name, Sample(frame, frame.pixels, "7")) for name in ("a/b 1.jpg", "a/B 1.png", "images/a/b 1.png", "c.d.tif")
    ]
    LAYOUTS[layout].write(iter(named), ("nerve",), tmp_path / "once")
    once = load_dataset(tmp_path / "once")
    LAYOUTS[layout].write(((n, once[i]) for i, n in enumerate(once.names)), once.classes, tmp_path / "twice")
    assert load_dataset(tmp_path / "twice").names == once.names
    assert not (tmp_path / "twice" / "names.csv").exists()


@pytest.mark.parametrize("layout", WRITABLE)
def test_a_frame_that_cannot_be_had_leaves_nothing_behind(layout, tmp_path):
    def broken():
        yield "a.png", Sample(Frame(np.zeros((3, 4), np.uint8)), np.zeros((3, 4), np.uint8), "1")
        raise InputError("b.png: is damaged")

    with pytest.raises(InputError, match="damaged"):
        LAYOUTS[layout].write(broken(), ("nerve",), tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())


@pytest.mark.parametrize("layout", WRITABLE)
def test_a_folder_that_is_not_empty_is_left_as_it_is(layout, data_folder):
    data_folder.text("mine.txt", "mine")
    one = [("a.png", Sample(Frame(np.zeros((3, 4), np.uint8)), np.zeros((3, 4), np.uint8), "1"))]
    with pytest.raises(InputError, match="data: is there already and not an empty folder"):
        LAYOUTS[layout].write(one, ("nerve",), data_folder.path)
    assert [path.name for path in data_folder.path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("layout", WRITABLE)
def test_a_frame_nobody_drew_on_is_not_made_an_empty_one(layout, tmp_path):
    one = [("a.png", Sample(Frame(np.zeros((3, 4), np.uint8)), None, "1"))]
    if LAYOUTS[layout].unlabelled:
        LAYOUTS[layout].write(one, ("nerve",), tmp_path / "out")
        assert LAYOUTS[layout].read(tmp_path / "out")[0].mask is None
        return
    with pytest.raises(InputError, match=r"a\.png: has no mask, and this layout cannot tell"):
        LAYOUTS[layout].write(one, ("nerve",), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", WRITABLE)
def test_frames_pass_through_one_after_another(layout, tmp_path):
    """So that a data set larger than the memory, or a generator, can be written."""
    seen = []

    def stream():
        for i in range(12):
            sample = Sample(Frame(np.full((5, 6), i, np.uint8)), np.eye(5, 6, dtype=np.uint8), "1", index=i)
            seen.append(weakref.ref(sample.frame))
            assert sum(frame() is not None for frame in seen) <= 3
            yield f"{i}.png", sample

    LAYOUTS[layout].write(stream(), ("nerve",), tmp_path / "out")


@pytest.mark.parametrize("name", ["", " a", "a\nb", "\0"])
def test_a_class_that_no_file_could_name_is_refused(name, tmp_path):
    one = [("a.png", Sample(Frame(np.zeros((3, 4), np.uint8)), np.zeros((3, 4), np.uint8), "1"))]
    with pytest.raises(InputError, match="expected a name of printed characters"):
        LAYOUTS["coco"].write(one, (name,), tmp_path / "out")


def test_nothing_to_write_is_said(tmp_path):
    with pytest.raises(InputError, match="no frames to write"):
        LAYOUTS["manifest"].write([], ("nerve",), tmp_path / "out")
    assert not (tmp_path / "out").exists()
