"""A look at the data before the training: what is measured of them, and what is said where they are odd."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Fold, Split
from sononerve.errors import InputError
from sononerve.train.config import TrainConfig
from sononerve.train.facts import Facts, look_at
from sononerve.train.setup import set_up

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Make = Callable[..., Dataset]
GROUPS = 18


def disc(
    diameter: int, side: int = 80, level: int = 160, label: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A frame of noise with a disc that is brighter, and its mask."""
    mask = np.zeros((side, side), np.uint8)
    cv2.circle(mask, (side // 2, side // 2), diameter // 2, 1, -1)
    noise = np.random.default_rng(diameter).normal(80, 20, mask.shape)
    noise[mask > 0] += level - 80
    return noise.clip(5, 255).astype(np.uint8), mask


@pytest.fixture
def frames(data_folder) -> Make:
    """A data set of such frames; ``classes`` names the labels."""

    def make(pairs: list[Pair], *classes: str) -> Dataset:
        for i, (pixels, mask) in enumerate(pairs):
            data_folder.save(f"images/{i:02}.png", pixels)
            data_folder.save(f"masks/{i:02}.png", mask)
        return load_dataset(data_folder.path, classes=classes or ("nerve",))

    return make


def divided(dataset: Dataset, groups: int = GROUPS) -> Split:
    """Two thirds to fit, the rest to tune and test."""
    names = dataset.names
    fit, tune = 2 * len(names) // 3, 5 * len(names) // 6
    side = {name: f"{'ftt'[(i >= fit) + (i >= tune)]}{(i >= tune)}{i % groups}" for i, name in enumerate(names)}
    return Split(
        version=2,
        grouping="subject",
        seed=0,
        groups=side,
        hashes=dict(zip(names, dataset.hashes(), strict=True)),
        folds=(Fold(fit=tuple(names[:fit]), tune=tuple(names[fit:tune]), test=tuple(names[tune:])),),
    )


def told(dataset: Dataset, groups: int = GROUPS, **changes: object) -> str:
    """What is said of it before a training."""
    config = TrainConfig.model_validate(
        {"data": {"folder": dataset.folder}, "steps": 1, "network": {"width": 2, "depth": 3}, "precision": "32"}
        | changes
    )
    division = divided(dataset, groups)
    fitted = dataset.select(division.indices(dataset, 0, "fit"))
    return "\n".join(set_up(config, dataset, division, fitted, 0).warnings)


def test_facts_are_those_of_the_frames(frames: Make) -> None:
    pairs = [disc(20), disc(30), disc(40), disc(40), disc(40)]
    pairs = [(np.pad(pixels, ((0, 0), (10, 30))), np.pad(mask, ((0, 0), (10, 30)))) for pixels, mask in pairs]
    facts = look_at(frames(pairs), [])
    assert facts.frame_shape == (80, 120)
    assert facts.scan_shape == (80, 80)
    assert facts.scan_share == pytest.approx(2 / 3)
    assert facts.nerve_px is not None and 20 < facts.nerve_px < 31
    assert facts.contrast is not None and facts.contrast > 1
    assert (facts.frames, facts.empty, facts.flat) == (5, 0, 0)


def test_empty_and_flat_frames_are_counted(frames: Make) -> None:
    blank = np.full((80, 80), 7, np.uint8)
    facts = look_at(frames([disc(30), disc(40), (disc(30)[0], 0 * blank), (blank, 0 * blank)]), ["a", "a", "b"])
    assert (facts.empty, facts.flat) == (0.5, 0.25)
    assert (facts.tune_frames, facts.tune_groups) == (3, 2)


def test_nerves_in_frames_of_other_sizes_count_as_in_the_median_one(frames: Make) -> None:
    facts = look_at(frames([disc(20, side=80), disc(40, side=160), disc(40, side=160)]), [])
    assert facts.nerve_px == pytest.approx(40, rel=0.1)


def test_a_nerve_as_bright_as_its_surroundings_has_no_contrast(frames: Make) -> None:
    facts = look_at(frames([disc(30, level=80), disc(40, level=80)]), [])
    assert facts.contrast is not None and facts.contrast < 0.1


def test_a_whole_set_of_clear_frames_says_only_that_none_is_empty(frames: Make) -> None:
    dataset = frames([disc(20 + i % 20) for i in range(160)])
    assert told(dataset).splitlines() == [line for line in told(dataset).splitlines() if "is empty" in line]
    assert "no frame to fit is empty" in told(dataset)
    assert told(dataset, negatives={"judge": True}) == told(dataset, negatives={"share": 0.2}) == ""


def test_few_frames_are_told(frames: Make) -> None:
    assert "only 12 frames to fit" in told(frames([disc(20 + i) for i in range(18)]))


def test_one_subject_to_fit_and_few_to_test_are_told(frames: Make) -> None:
    found = told(frames([disc(20 + i) for i in range(18)]), groups=1)
    assert "all frames to fit are of one group" in found
    assert "only 1 group(s) in the test part" in found


def test_data_without_any_nerve_to_fit_are_refused(frames: Make) -> None:
    pairs = [(pixels, 0 * mask if i < 12 else mask) for i, (pixels, mask) in enumerate(disc(20 + i) for i in range(18))]
    with pytest.raises(InputError, match=r"every mask of the 12 frames to fit is empty.*masks the right ones"):
        told(frames(pairs))


@pytest.mark.parametrize(
    ("holding", "said"),
    [
        (range(12, 18), "no frame of the fit part holds vessel: it cannot be learned"),
        ([*range(12), *range(15, 18)], "no frame of the tune part holds vessel"),
        (range(15), "no frame of the test part holds vessel: it is not scored"),
    ],
)
def test_a_class_that_a_part_lacks_is_told(frames: Make, holding: range | list[int], said: str) -> None:
    pairs = []
    for i in range(18):
        pixels, mask = disc(20 + i)
        mask[:8, :8] = 2 if i in holding else 0
        pairs.append((pixels, mask))
    found = [line for line in told(frames(pairs, "nerve", "vessel")).splitlines() if "vessel" in line]
    assert len(found) == 1 and said in found[0]


def test_masks_the_wrong_way_round_are_told(frames: Make) -> None:
    pairs = [(pixels, 1 - mask) for pixels, mask in (disc(20 + i) for i in range(18))]
    assert "covers most of the frame" in told(frames(pairs))


def test_tiny_faint_and_blank_frames_are_told(frames: Make) -> None:
    assert "px across in frames of 400" in told(frames([disc(5, side=400) for _ in range(18)]))
    assert "hardly brighter or darker" in told(frames([disc(20 + i, level=80) for i in range(18)]))
    blank = np.full((80, 80), 7, np.uint8)
    assert "8.3% of the frames to fit show nothing" in told(
        frames([(blank if i == 3 else disc(20)[0], disc(20 + i)[1]) for i in range(18)])
    )


def test_real_frames_are_looked_at(shared_data: Path) -> None:
    facts: Facts = look_at(load_dataset(shared_data / "usgra-seg"), [])
    assert facts.frames == 185 and facts.empty == 0
    assert facts.nerve_px is not None and 30 < facts.nerve_px < 80
    assert 0.5 < facts.scan_share < 1
