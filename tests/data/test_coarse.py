"""Maps of probabilities: on disk, in the right place, and moved as the frame is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sononerve.data.augment import Augment
from sononerve.data.canvases import Canvases
from sononerve.data.coarse import CoarseMaps, write_maps
from sononerve.data.module import PlainFrames, VariedFrames, collate
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError

SHAPE = (3, 2, 24, 32)


def test_maps_come_back_from_several_files_in_the_order_asked_for(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((2, *SHAPE), np.float32)
    files = tmp_path / "a.npy", tmp_path / "b.npy"
    for file, content in zip(files, maps, strict=True):
        write_maps(file, content, SHAPE)
    found = CoarseMaps(files, np.array([(1, 2), (0, 0)]))
    np.testing.assert_allclose(found[0], maps[1, 2], atol=1e-5)
    np.testing.assert_allclose(found[1], maps[0, 0], atol=1e-5)
    assert len(CoarseMaps.of(files[0])) == 3


def test_what_stops_half_way_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[NDArray[np.float32]]:
        yield np.zeros(SHAPE[1:], np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_maps(tmp_path / "maps.npy", broken(), SHAPE)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "maps.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"maps\.npy: not a file of probabilities"):
        CoarseMaps.of(tmp_path / "maps.npy")


@pytest.mark.parametrize("names", [("flip",), ("rotate", "scale"), ("elastic", "shift")])
def test_a_map_moves_as_frame_and_mask_do(names: tuple[str, ...], tmp_path: Path) -> None:
    """A disc that is drawn into the frame, the mask and the map alike stays one."""
    y, x = np.mgrid[:96, :128]
    disc = ((y - 40) ** 2 + (x - 50) ** 2 < 24**2).astype(np.uint8)
    write_maps(tmp_path / "maps.npy", [disc[None].astype(np.float32)], (1, 1, 96, 128))
    canvases = Canvases(np.stack([200 * disc, disc])[None], np.array([0]))
    preprocess = Preprocess(height=96, width=128, normalisation="fixed", mean=0, std=200)
    coarse = CoarseMaps.of(tmp_path / "maps.npy")
    varied = VariedFrames(canvases, preprocess, Augment.only(*names), 0, coarse)
    for number in range(3):
        batch = varied[number, 0]
        assert batch.coarse is not None
        assert not np.array_equal(batch.labels[0].numpy(), disc)
        np.testing.assert_allclose(batch.coarse[0, 0], batch.frames[0, 0], atol=0.01)
        assert ((batch.coarse[0, 0] > 0.5) == (batch.labels[0] == 1)).float().mean() > 0.99


def test_brightness_leaves_a_map_alone_and_frames_without_maps_have_none(tmp_path: Path) -> None:
    found = np.random.default_rng(0).random((1, 1, 24, 32), np.float32)
    write_maps(tmp_path / "maps.npy", found, found.shape)
    canvases = Canvases(np.full((1, 2, 24, 32), 1, np.uint8), np.array([0]))
    preprocess, coarse = Preprocess(height=24, width=32), CoarseMaps.of(tmp_path / "maps.npy")
    batch = VariedFrames(canvases, preprocess, Augment.only("gain", "speckle"), 0, coarse)[0, 0]
    np.testing.assert_allclose(batch.coarse, found, atol=1e-5)
    plain = PlainFrames(canvases, preprocess, coarse)[0]
    assert len(collate([plain, plain]).inputs) == 2
    assert len(collate([PlainFrames(canvases, preprocess)[0]]).inputs) == 1
