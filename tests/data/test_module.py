"""Frames for training come in one fixed order, whoever asks, whenever, from however many processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sononerve.data.augment import Augment
from sononerve.data.canvases import Canvases
from sononerve.data.module import Batch, FrameModule, PlainFrames, RoundSampler, VariedFrames
from sononerve.data.preprocess import Preprocess

WITH_WORKERS = """
import sys
import cv2
import numpy as np
sys.path.insert(0, {here!r})
from test_module import frame_module, digest
image = np.zeros((1024, 1024), np.uint8)
cv2.GaussianBlur(image, (0, 0), 3)
cv2.remap(image, *np.random.rand(2, 1024, 1024).astype(np.float32), cv2.INTER_LINEAR)
print(digest(frame_module(workers=1)))
"""
"""The training's own process has used OpenCV on all cores before its worker is forked."""

HANGS_AFTER_S = 60


def canvases(count: int = 6, side: int = 32) -> Canvases:
    """Noise with a block of nerve."""
    rng = np.random.default_rng(0)
    pairs = np.zeros((count, 2, side, side), np.uint8)
    pairs[:, 0] = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
    pairs[:, 1, 8:20, 10:16] = 1
    return Canvases(pairs, np.arange(count))


def varied(seed: int = 0, augment: Augment | None = None) -> VariedFrames:
    """Frames that vary as in a training."""
    return VariedFrames(canvases(), Preprocess(height=32, width=32), augment or Augment(), seed)


def test_a_share_of_what_is_shown_is_crops_in_place_of_frames() -> None:
    pairs = np.full((2, 2, 32, 32), 77, np.uint8)
    pairs[:, 1] = 2
    crops, preprocess = Canvases(pairs, np.arange(2)), Preprocess(height=32, width=32)
    some = VariedFrames(canvases(), preprocess, Augment.only(), 0, crops=crops, share=0.25)
    none = VariedFrames(canvases(), preprocess, Augment.only(), 0)
    shown = [(number, i) for number in range(100) for i in range(6)]
    cropped = [key for key in shown if int(some[key].labels.max()) == 2]
    assert len(cropped) / len(shown) == pytest.approx(0.25, abs=0.05)
    whole = next(key for key in shown if key not in cropped)
    assert torch.equal(some[whole].frames, none[whole].frames)


def frame_module(workers: int) -> FrameModule:
    """Two rounds' worth of batches of four."""
    plain = PlainFrames(canvases(), Preprocess(height=32, width=32))
    return FrameModule(varied(), plain, batch=4, steps_per_round=3, workers=workers, seed=0)


def digest(module: FrameModule) -> list[float]:
    """Numbers that tell batches of two rounds apart."""
    loader = module.train_dataloader()
    found = []
    for number in range(2):
        loader.batch_sampler.set_epoch(number)  # type: ignore[union-attr]
        found += [float((b.frames.double() * torch.arange(1, 33)).sum()) + int(b.labels.sum()) for b in loader]
    return found


def keys(sampler: RoundSampler, rounds: int) -> list[tuple[int, int]]:
    """All keys of so many rounds, in order."""
    found = []
    for number in range(rounds):
        sampler.set_epoch(number)
        found += [key for batch in sampler for key in batch]
    return found


@given(frames=st.integers(1, 30), batch=st.integers(1, 9), steps=st.integers(1, 6), seed=st.integers(0, 9))
def test_rounds_are_one_long_sequence_cut_anywhere(frames: int, batch: int, steps: int, seed: int) -> None:
    cut = keys(RoundSampler(frames, batch, steps, seed), rounds=6)
    whole = keys(RoundSampler(frames, batch, 6 * steps, seed), rounds=1)
    assert cut == whole


@given(frames=st.integers(1, 30), batch=st.integers(1, 9), seed=st.integers(0, 9))
def test_every_frame_is_seen_once_in_every_pass(frames: int, batch: int, seed: int) -> None:
    sequence = keys(RoundSampler(frames, batch, steps=60, seed=seed), rounds=1)
    for number in range(len(sequence) // frames):
        seen = sequence[number * frames : (number + 1) * frames]
        assert [key[0] for key in seen] == [number] * frames
        assert sorted(key[1] for key in seen) == list(range(frames))


def test_passes_and_seeds_have_other_orders() -> None:
    sequence = keys(RoundSampler(frames=20, batch=20, steps=2, seed=0), rounds=1)
    other = keys(RoundSampler(frames=20, batch=20, steps=2, seed=1), rounds=1)
    first, second = ([key[1] for key in part] for part in (sequence[:20], sequence[20:]))
    assert first != second
    assert sequence != other


@given(frames=st.integers(1, 20), batch=st.integers(1, 5), steps=st.integers(1, 5), world=st.integers(2, 4))
def test_devices_share_the_sequence_without_overlap(frames: int, batch: int, steps: int, world: int) -> None:
    shares = [keys(RoundSampler(frames, batch, steps, 0, rank, world), rounds=2) for rank in range(world)]
    batches = [[share[i : i + batch] for i in range(0, len(share), batch)] for share in shares]
    together = [key for step in zip(*batches, strict=True) for part in step for key in part]
    assert together == keys(RoundSampler(frames, batch, steps * world, 0), rounds=2)


def test_a_variation_depends_on_seed_pass_and_frame_alone() -> None:
    fresh, used = varied(), varied()
    for key in [(0, 1), (5, 3), (2, 2)]:
        used[key]
    for key in [(0, 1), (1, 1), (1, 4)]:
        assert torch.equal(fresh[key].frames, used[key].frames)
        assert torch.equal(fresh[key].labels, used[key].labels)
    assert not torch.equal(fresh[0, 1].frames, fresh[1, 1].frames)
    assert not torch.equal(fresh[0, 1].frames, varied(seed=1)[0, 1].frames)


def test_without_augmentation_every_pass_shows_the_frame_as_at_run_time() -> None:
    plain = PlainFrames(canvases(), Preprocess(height=32, width=32))
    off = varied(augment=Augment.off())
    for key in [(0, 2), (7, 2)]:
        assert torch.equal(off[key].frames, plain[2].frames)
        assert torch.equal(off[key].labels, plain[2].labels)


def test_a_worker_gives_the_batches_that_the_training_itself_would_make() -> None:
    """Also after OpenCV's threads have run: they do not live on in a forked worker, which must not wait for them."""
    script = WITH_WORKERS.format(here=str(Path(__file__).parent))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            told, _ = process.communicate(timeout=HANGS_AFTER_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"the worker hung for {HANGS_AFTER_S} s")
    assert told.strip() == str(digest(frame_module(workers=0)))


def test_the_tune_part_comes_in_order_and_whole() -> None:
    batches = list(frame_module(workers=0).val_dataloader())
    assert sum(len(b.frames) for b in batches) == 6
    assert torch.equal(batches[0].labels[:6], torch.from_numpy(canvases().pairs[:, 1].astype(np.int64)))


def test_time_between_batches_is_waiting_and_time_with_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a frame takes one second of, and a step a hundred."""
    seconds = [0.0]
    original = VariedFrames.__getitem__

    def slow(self: VariedFrames, key: tuple[int, int]) -> Batch:
        seconds[0] += 1
        return original(self, key)

    monkeypatch.setattr(VariedFrames, "__getitem__", slow)
    monkeypatch.setattr("time.perf_counter", lambda: seconds[0])
    module = frame_module(workers=0)
    for _ in module.train_dataloader():
        seconds[0] += 100
    assert module.waited_s == 3 * 4
