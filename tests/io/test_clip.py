"""Videos that are written, frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sononerve.io import video
from sononerve.io.clip import Clip


def pictures(shape: tuple[int, ...], count: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize("shape", [(40, 60), (41, 61), (40, 61)])
def test_avi_loses_nothing_and_odd_sides_grow_by_one(tmp_path: Path, shape: tuple[int, int]) -> None:
    with Clip(tmp_path / "a.avi", shape, 12) as clip:
        for pixels in pictures(shape):
            clip.add(pixels)
    found = [frame.pixels for frame in video.read_all(tmp_path / "a.avi")]
    assert found[0].shape == (shape[0] + shape[0] % 2, shape[1] + shape[1] % 2)
    for kept, pixels in zip(found, pictures(shape), strict=True):
        assert np.array_equal(kept[: shape[0], : shape[1]], pixels)
    assert video.frame_rate(tmp_path / "a.avi") == 12


@pytest.mark.parametrize("fps", [66.667, 136.986, 1 / 0.015, 59.94, 23.976, 0.5])
@pytest.mark.parametrize("ending", [".mp4", ".avi"])
def test_any_rate_can_be_written(tmp_path: Path, fps: float, ending: str) -> None:
    with Clip(tmp_path / f"a{ending}", (40, 60), fps) as clip:
        for pixels in pictures((40, 60)):
            clip.add(pixels)
    assert len(list(video.read_all(tmp_path / f"a{ending}"))) == 4
    assert video.frame_rate(tmp_path / f"a{ending}") == pytest.approx(fps, rel=0.001)


def test_colours_of_an_mp4_stay_what_they_are(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    with Clip(tmp_path / "a.mp4", (48, 64), 25) as clip:
        clip.add(red)
        clip.add(red)
    kept = video.read_stored(tmp_path / "a.mp4", 1)
    assert kept[20, 20, 0] > 230
    assert kept[20, 20, 1:].max() < 30
