"""Temperatures: found again where they are known, and left alone where too little is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sononerve.data.dataset import load_dataset
from sononerve.data.module import Batch
from sononerve.data.split import split
from sononerve.evaluate.run import evaluate
from sononerve.models import build
from sononerve.models.output import Encoded, FilteringModel, Output, SegmentationModel
from sononerve.runtime.bundle import Bundle
from sononerve.train.calibrate import (
    FEWEST,
    HIGHEST,
    LOWEST,
    MOST_FRAMES,
    MOST_PRESENCES,
    calibrate,
    fit_temperature,
    frames_looked_at,
)
from sononerve.train.config import TrainConfig
from sononerve.train.run import train

SIDE = 24
ALONE = [f"subject {i}" for i in range(400)]


def drawn(logits: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Labels ``(n,)`` drawn as ``logits`` ``(n, c)`` say, beside a background of 0."""
    whole = torch.cat([torch.zeros(len(logits), 1), logits], dim=1)
    return torch.multinomial(whole.softmax(1), 1, generator=torch.Generator().manual_seed(seed))[:, 0]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found_again(classes: int, temperature: float) -> None:
    honest = 2 * noise(40_000, classes)
    assert fit_temperature(honest * temperature, drawn(honest)) == pytest.approx(temperature, rel=0.04)


def test_a_temperature_stays_in_its_range() -> None:
    logits = noise(1000, 1)
    assert fit_temperature(logits, (logits[:, 0] > 0).long()) == pytest.approx(LOWEST, rel=0.01)
    assert fit_temperature(9 * logits, (logits[:, 0] < 0).long()) == pytest.approx(HIGHEST, rel=0.01)


class TooSure(SegmentationModel):
    """Takes the frame for honest logits and tells them four times as large; its presence thrice."""

    def __init__(self, heads: bool) -> None:
        super().__init__()
        self.has_heads = heads

    def forward(self, frames: torch.Tensor) -> Output:
        """Presence is in the first pixel."""
        return Output(logits=4 * frames, presence=3 * frames[:, 0, 0, 0] if self.has_heads else None)


class Filtering(TooSure, FilteringModel):
    """The same as a network that may be filtered early, whole."""

    def encode(self, frames: torch.Tensor) -> Encoded:
        """Not asked for."""
        raise NotImplementedError

    def decode(self, encoded: Encoded) -> Output:
        """Not asked for."""
        raise NotImplementedError


class Frames:
    """Frames by number that are honest logits, each with labels drawn by them: in some none at all."""

    def __init__(self, count: int, empty: int = 0) -> None:
        self.frames = 2 * noise(count, 1, SIDE, SIDE)
        labels = drawn(self.frames.flatten()[:, None]).reshape(count, SIDE, SIDE)
        labels[:empty] = 0
        self.labels = labels

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, i: int) -> Batch:
        return Batch(self.frames[i : i + 1], self.labels[i : i + 1])


def test_the_mask_has_the_temperature_of_its_pixels() -> None:
    found = calibrate(TooSure(heads=False), Frames(20), ALONE)
    assert found.temperatures.mask == pytest.approx(4, rel=0.05)
    assert found.temperatures.presence == 1
    assert found.reasons == (f"mask {found.temperatures.mask:.3f}: fits 20 frames of the tune part",)


def test_presence_has_the_temperature_of_its_frames() -> None:
    frames = Frames(400)
    frames.labels[:] = drawn(frames.frames[:, 0, 0, :1])[:, None, None]
    found = calibrate(TooSure(heads=True), frames, ALONE)
    looked_at = np.unique(np.linspace(0, 399, MOST_FRAMES).round().astype(int))
    expected = fit_temperature(3 * frames.frames[looked_at, 0, 0, :1], frames.labels[looked_at, 0, 0])
    assert found.temperatures.presence == pytest.approx(expected, rel=1e-3)
    assert expected == pytest.approx(3, rel=0.4)  # of 200 frames


@pytest.mark.parametrize(("count", "empty"), [(FEWEST - 1, 0), (20, 20 - FEWEST + 1)])
def test_too_few_frames_with_a_nerve_leave_the_mask_alone_and_say_so(count: int, empty: int) -> None:
    found = calibrate(TooSure(heads=False), Frames(count, empty), ALONE)
    assert found.temperatures.mask == 1
    assert f"the tune part has {FEWEST - 1} frames that hold a class" in found.reasons[0]


@pytest.mark.parametrize("empty", [0, FEWEST - 1])
def test_frames_of_one_kind_leave_presence_alone_and_say_so(empty: int) -> None:
    found = calibrate(TooSure(heads=True), Frames(20, empty), ALONE)
    assert found.temperatures.presence == 1
    assert found.temperatures.mask > 2
    assert f"{20 - empty} frames with a nerve and {empty} without" in found.reasons[1]


def test_what_presence_says_is_kept_by_subject() -> None:
    frames = Frames(12, empty=3)
    found = calibrate(Filtering(heads=True), frames, ["a", "b", "c", "d"] * 3)
    said = torch.sigmoid(3 * frames.frames[:, 0, 0, 0]).tolist()
    assert found.presences == tuple(
        pytest.approx(sorted(said[i] for i in of)) for of in ((3, 7, 11), (4, 8), (5, 9), (6, 10))
    )


def test_every_frame_with_a_nerve_tells_its_presence_though_fewer_tell_the_temperature() -> None:
    frames = Frames(MOST_FRAMES + 60, empty=7)
    found = calibrate(Filtering(heads=True), frames, ["one subject"] * len(frames))
    said = torch.sigmoid(3 * frames.frames[7:, 0, 0, 0] / found.temperatures.presence)
    assert found.presences[0] == pytest.approx(sorted(said.tolist()), abs=1e-6)
    assert f"fits {MOST_FRAMES} frames" in found.reasons[0]


def test_a_presence_that_is_surely_none_is_0() -> None:
    frames = Frames(20)
    frames.frames[3, 0, 0, 0] = -1000
    assert calibrate(Filtering(heads=True), frames, ["one subject"] * 20).presences[0][0] == 0
    assert calibrate(TooSure(heads=True), frames, ["one subject"] * 20).presences == ()


@pytest.mark.parametrize(("name", "most"), [("unet", MOST_FRAMES), ("transcgu-net", MOST_PRESENCES)])
def test_a_budget_keeps_time_for_the_frames_that_the_network_is_asked_about(name: str, most: int) -> None:
    network = build(name, {"width": 4}, classes=1)
    assert frames_looked_at(10, network) == 10
    assert frames_looked_at(5000, network) == most


def test_the_same_frames_give_the_same_temperature() -> None:
    assert calibrate(TooSure(heads=False), Frames(20), ALONE) == calibrate(TooSure(heads=False), Frames(20), ALONE)


def test_a_trained_bundle_has_the_temperature_of_its_tune_part(
    tiny: Callable[..., TrainConfig], phantom_folder: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(phantom_folder)
    split(dataset, tune=0.4).write(tmp_path / "split.json")
    train(tiny(), tmp_path / "run", tmp_path / "split.json")
    bundle = Bundle.open(tmp_path / "run")
    temperature = yaml.safe_load(bundle.files["config.yaml"])["temperature"]["mask"]
    assert LOWEST <= temperature <= HIGHEST
    assert temperature != 1
    assert f"mask {temperature:.3f}" in bundle.files["card.md"].decode()
    tuned = evaluate(bundle, dataset, "tune").scores.overall.classes["nerve"].calibration
    assert tuned.log_loss.value < 0.6931  # less than of one half everywhere, whatever the steps have learned
