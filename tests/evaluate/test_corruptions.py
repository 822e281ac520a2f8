"""Frames made worse: more with every severity, the same for everybody, and with the truth that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sononerve.data.dataset import load_dataset
from sononerve.data.phantom import PhantomConfig, frame
from sononerve.evaluate.robustness import CORRUPTIONS, SEVERITIES, corrupt
from sononerve.frame import Frame, Sample

WORSE = range(1, SEVERITIES + 1)
OF_BRIGHTNESS = [name for name in CORRUPTIONS if name != "rotation"]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "robustness.md"


@pytest.fixture(scope="module")
def phantoms() -> list[Sample]:
    config = PhantomConfig(subjects=2, frames=1, height=240, width=320, empty=0.0, seed=3)
    return [frame(config, subject, 0) for subject in range(2)]


def flat(level: int, shape: tuple[int, int] = (200, 300)) -> Sample:
    return Sample(Frame(np.full(shape, level, np.uint8)))


def grey(sample: Sample, corruption: str, severity: int, name: str = "a") -> np.ndarray:
    """The worse frame, as numbers that may be subtracted."""
    return corrupt(sample, name, corruption, severity).frame.pixels.astype(int)


def changes(samples: Sequence[Sample], corruption: str) -> np.ndarray:
    """Mean absolute change by severity 0 to 5, a row per frame."""
    levels = range(SEVERITIES + 1)
    return np.array([[np.abs(grey(s, corruption, k) - s.frame.pixels).mean() for k in levels] for s in samples])


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_severity_0_is_the_frame_itself_and_each_severity_is_worse(corruption: str, phantoms: list[Sample]) -> None:
    assert corrupt(phantoms[0], "a", corruption, 0) is phantoms[0]
    assert (np.diff(changes(phantoms, corruption)) > 0).all()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_real_frames_get_worse_with_severity_too(corruption: str, shared_data: Path) -> None:
    found = load_dataset(shared_data / "usgra-seg", classes=("nerve", "vessel"))
    assert (np.diff(changes([found[i] for i in (0, 60, 120)], corruption)) > 0).all()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_two_models_see_the_same_frames_in_whatever_order(corruption: str, phantoms: list[Sample]) -> None:
    first = [corrupt(phantoms[0], "a", corruption, k).frame.pixels for k in WORSE]
    backwards = [corrupt(phantoms[0], "a", corruption, k).frame.pixels for k in reversed(WORSE)]
    assert all(np.array_equal(a, b) for a, b in zip(first, reversed(backwards), strict=True))


@pytest.mark.parametrize("corruption", ["speckle", "shadow"])
def test_what_is_random_depends_on_seed_and_name(corruption: str, phantoms: list[Sample]) -> None:
    of = {(n, s): corrupt(phantoms[0], n, corruption, 3, s).frame.pixels for n in ("a", "b") for s in (0, 1)}
    assert len({pixels.tobytes() for pixels in of.values()}) == 4


def test_frames_turn_to_both_sides(phantoms: list[Sample]) -> None:
    turned = {grey(phantoms[0], "rotation", 5, name).tobytes() for name in "abcdefgh"}
    assert len(turned) == 2


@pytest.mark.parametrize("corruption", OF_BRIGHTNESS)
def test_masks_and_boxes_stay_where_only_brightness_changes(corruption: str, phantoms: list[Sample]) -> None:
    boxed = replace(phantoms[0], boxes=np.array([[10, 20, 30, 40]], np.float32))
    worse = corrupt(boxed, "a", corruption, 5)
    assert worse.labels is boxed.labels
    assert worse.boxes is boxed.boxes


@pytest.mark.parametrize("severity", WORSE)
def test_a_mask_turned_back_lies_on_itself(severity: int) -> None:
    labels = np.zeros((200, 300), np.uint8)
    labels[80:130, 100:170] = 2
    turned = corrupt(Sample(Frame(labels * 100), labels), "a", "rotation", severity)
    assert set(np.unique(turned.labels)) == {0, 2}
    angle = CORRUPTIONS["rotation"].levels[severity - 1]
    x, y = np.meshgrid(np.arange(300) - 149.5, np.arange(200) - 99.5)

    def back(degrees: float) -> np.ndarray:
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        column, row = np.rint(cos * x - sin * y + 149.5), np.rint(sin * x + cos * y + 99.5)
        return turned.labels[row.clip(0, 199).astype(int), column.clip(0, 299).astype(int)]

    assert max(dice(back(angle) == 2, labels == 2), dice(back(-angle) == 2, labels == 2)) > 0.95
    assert dice(turned.frame.pixels > 100, turned.labels == 2) > 0.97
    assert severity < 3 or dice(turned.labels == 2, labels == 2) < 0.95


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_boxes_turn_with_the_mask_and_hold_it() -> None:
    labels = np.zeros((200, 300), np.uint8)
    labels[60:100, 40:120] = 1
    sample = Sample(Frame(labels * 200), labels, boxes=np.array([[40, 60, 80, 40]], np.float32))
    turned = corrupt(sample, "a", "rotation", 4)
    x, y, width, height = turned.boxes[0]
    rows, columns = np.nonzero(turned.labels)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.allclose([x, y, x + width, y + height], found, atol=1.5)


def test_what_comes_in_from_outside_is_black() -> None:
    assert grey(flat(200), "rotation", 5)[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0


def test_gain_moves_grey_by_decibels_of_a_display_of_60() -> None:
    """255 ln(1 + (1000^(120/255) - 1) 10^(-10/20)) / ln 1000 = 80.5; 255 / 60 = 4.25 grey levels for each of 10 dB."""
    assert np.unique(grey(flat(120), "low gain", 3)) == [80]
    assert abs(120 - 80 - 10 * 4.25) < 3
    assert np.unique(grey(flat(120), "clipping", 3)) == [162]
    assert np.unique(grey(flat(200), "clipping", 5)) == [255]


@pytest.mark.parametrize("corruption", ["speckle", "low gain", "clipping", "shadow", "attenuation"])
def test_what_has_no_echo_stays_black(corruption: str) -> None:
    assert grey(flat(0), corruption, 5).max() == 0


def test_speckle_is_as_strong_as_said_and_has_grain() -> None:
    """Of 5 dB at severity 4, on mid-grey, where 1 dB is 4.25 grey levels; neighbours are alike."""
    noise = grey(flat(140), "speckle", 4) - 140.0
    assert noise.std() / 4.25 == pytest.approx(5, rel=0.1)
    assert abs(noise.mean()) < 2
    assert np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] > 0.3


def test_a_shadow_darkens_below_its_start_and_nothing_above() -> None:
    for name in "abcdefgh":
        lost = 180 - grey(flat(180), "shadow", 5, name)
        column = lost.max(0).argmax()
        start = int((lost[:, column] > lost.max() / 2).argmax())
        assert 0.1 <= start / 200 <= 0.51
        assert lost[: max(0, start - 40)].max(initial=0) <= 1
        assert (lost[start:, column] >= lost.max() / 2).all()
        assert lost[-1].min() == 0, "beside the shadow the frame is as it was"


def test_attenuation_leaves_the_skin_and_takes_what_is_said_at_the_lower_edge() -> None:
    worse = grey(flat(200), "attenuation", 3)
    assert (worse[0] == 200).all()
    assert (np.diff(worse[:, 0]) <= 0).all()
    assert 200 - worse[-1, 0] == pytest.approx(14 * 4.25, abs=1.5)


def test_unknown_corruptions_and_severities_are_refused() -> None:
    with pytest.raises(ValueError, match="corruption is 'fog'; expected one of speckle"):
        corrupt(flat(9), "a", "fog", 1)
    with pytest.raises(ValueError, match="severity is 6; expected 0 to 5"):
        corrupt(flat(9), "a", "blur", 6)


def test_the_page_has_the_levels_of_this_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, chosen in CORRUPTIONS.items():
        levels = " | ".join(f"{level:g}" for level in chosen.levels)
        assert f"| {name} | {chosen.parameter} | {levels} |" in page, "run python docs/make_robustness_pictures.py"
