"""A frame exported again, in another size, gain or border, is found; other frames are not."""

import numpy as np
import pytest
from PIL import Image

from sononerve.data.dataset import load_dataset
from sononerve.data.duplicates import clusters, fingerprint


def frame(seed):
    """Smooth structure and grain, brighter than the screen around it."""
    rng = np.random.default_rng(seed)
    knots = Image.fromarray(rng.integers(30, 230, (7, 8), dtype=np.uint8))
    smooth = np.asarray(knots.resize((120, 100), Image.Resampling.BICUBIC), np.float32)
    return (smooth * rng.uniform(0.8, 1.2, smooth.shape)).clip(20, 255).astype(np.uint8)


def smaller(pixels):
    return np.asarray(Image.fromarray(pixels).resize((85, 71), Image.Resampling.BILINEAR))


def brighter(pixels):
    return (pixels * 1.25).clip(0, 255).astype(np.uint8)


def bordered(pixels):
    return np.pad(pixels, ((30, 12), (8, 40)))


def all_at_once(pixels):
    return bordered(brighter(smaller(pixels)))


CHANGES = pytest.mark.parametrize("change", [smaller, brighter, bordered, all_at_once])


@CHANGES
def test_a_frame_exported_again_is_in_the_cluster_of_the_first(data_folder, change):
    frames = [frame(seed) for seed in range(6)]
    for i, pixels in enumerate([*frames, change(frames[3])]):
        data_folder.save(f"images/{i}.png", pixels)
        data_folder.mask(f"masks/{i}.png", size=pixels.shape)
    found = clusters(load_dataset(data_folder.path)).tolist()
    assert found[6] == found[3]
    assert len(set(found)) == 6


@CHANGES
def test_a_real_frame_exported_again_is_alike(usgra, change):
    for i in (0, 90, 180):
        pixels = usgra[i].frame.pixels
        assert float(fingerprint(pixels) @ fingerprint(change(pixels))) > 0.9


def test_look_alikes_of_look_alikes_are_one_cluster(data_folder):
    first, last = frame(0).astype(float), frame(1).astype(float)
    for i, share in enumerate(np.linspace(0, 1, 7)):
        data_folder.save(f"images/{i}.png", ((1 - share) * first + share * last).astype(np.uint8))
        data_folder.mask(f"masks/{i}.png", size=(100, 120))
    dataset = load_dataset(data_folder.path)
    assert len(set(clusters(dataset.select([0, 6])).tolist())) == 2
    assert len(set(clusters(dataset).tolist())) == 1


def test_a_black_frame_has_a_fingerprint_and_is_like_no_other():
    black = fingerprint(np.zeros((50, 60), np.uint8))
    assert np.isfinite(black).all()
    assert abs(float(black @ fingerprint(frame(0)))) < 0.1
