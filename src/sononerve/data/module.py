"""Frames for training: preprocessed once, varied afresh by seed, pass and frame, batched in a fixed order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from ..lightning import LightningDataModule
from .augment import Augment
from .canvases import Canvases, Joined
from .coarse import CoarseMaps
from .preprocess import Preprocess

Key = tuple[int, int]
"""Which pass over the data, and which frame."""


@dataclass
class Batch:
    """``frames``: normalised, ``(N, 1, H, W)``. ``labels``: ``(N, H, W)``, 0 background.

    ``coarse``: probabilities ``(N, C, H, W)`` that are to be refined, where some are.
    """

    frames: Float[Tensor, "n 1 h w"]
    labels: Int[Tensor, "n h w"]
    coarse: Float[Tensor, "n c h w"] | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the network is called with."""
        return (self.frames,) if self.coarse is None else (self.frames, self.coarse)

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        coarse = None if self.coarse is None else self.coarse.to(device)
        return Batch(self.frames.to(device), self.labels.to(device), coarse)


class VariedFrames(TorchDataset[Batch]):
    """One training frame by `Key`: its variation depends on seed, pass and frame alone, not on who asks or when.

    ``coarse``: what was answered for each frame before, moved as the frame is. ``crops``: what a ``share`` of the
    variations are made of in place of the frame, any of them.
    """

    def __init__(
        self,
        canvases: Canvases | Joined,
        preprocess: Preprocess,
        augment: Augment,
        seed: int,
        coarse: CoarseMaps | None = None,
        crops: Canvases | None = None,
        share: float = 0.0,
    ) -> None:
        self.canvases, self.preprocess, self.augment, self.seed = canvases, preprocess, augment, seed
        self.coarse, self.crops, self.share = coarse, crops, share

    @property
    def frames(self) -> int:
        """How many frames there are; each has as many variations as there are passes."""
        return len(self.canvases)

    def __getitem__(self, key: Key) -> Batch:
        rng = np.random.default_rng([self.seed, *key])
        drawn = self.augment.draw(rng)
        frame, labels = self._drawn(key[1], rng)
        frame, labels = self.augment.frame(frame, drawn), self.augment.mask(labels, drawn)
        coarse = None if self.coarse is None else self.augment.maps(self.coarse[key[1]], drawn)[None]
        return as_batch(self.preprocess.normalise(frame)[None], labels[None], coarse)

    def _drawn(self, i: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        if self.crops is None or rng.random() >= self.share:
            return self.canvases[i]
        return self.crops[int(rng.integers(len(self.crops)))]


class PlainFrames(TorchDataset[Batch]):
    """One frame by number, as at run time; ``coarse``: with what was answered for it before."""

    def __init__(self, canvases: Canvases, preprocess: Preprocess, coarse: CoarseMaps | None = None) -> None:
        self.canvases, self.preprocess, self.coarse = canvases, preprocess, coarse

    def __len__(self) -> int:
        return len(self.canvases)

    def __getitem__(self, i: int) -> Batch:
        frame, labels = self.canvases[i]
        coarse = None if self.coarse is None else self.coarse[i][None]
        return as_batch(self.preprocess.normalise(frame)[None], labels[None], coarse)


class RoundSampler(Sampler[list[Key]]):
    """Batches of keys for one round of ``steps`` steps: the whole training is one fixed sequence, cut into rounds.

    Every pass is a new permutation by seed and pass; the sequence depends on nothing else, so a resumed training sees
    what the uninterrupted one would have. With several devices each takes every ``world``-th batch.
    """

    def __init__(self, frames: int, batch: int, steps: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.frames, self.batch, self.steps, self.seed, self.rank, self.world = frames, batch, steps, seed, rank, world
        self.round = 0
        self._orders: dict[int, NDArray[np.int64]] = {}

    def set_epoch(self, epoch: int) -> None:
        """Go to round ``epoch``, from 0; Lightning calls this and names it so."""
        self.round = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.round * self.steps, (self.round + 1) * self.steps):
            first = (step * self.world + self.rank) * self.batch
            yield [self._key(first + i) for i in range(self.batch)]

    def _key(self, place: int) -> Key:
        number, i = divmod(place, self.frames)
        if number not in self._orders:
            self._orders = {number: np.random.default_rng([self.seed, number]).permutation(self.frames)}
        return number, int(self._orders[number][i])


def as_batch(
    frames: NDArray[np.float32], labels: NDArray[np.uint8], coarse: NDArray[np.float32] | None = None
) -> Batch:
    """Tensors of frames ``(N, H, W)``, labels ``(N, H, W)`` and coarse probabilities ``(N, C, H, W)``."""
    probabilities = None if coarse is None else torch.from_numpy(coarse)
    return Batch(torch.from_numpy(frames)[:, None], torch.from_numpy(labels.astype(np.int64)), probabilities)


def collate(batches: list[Batch]) -> Batch:
    """Put batches of one frame together, channels last, as convolutions on a CPU like it."""
    frames = torch.cat([b.frames for b in batches]).contiguous(memory_format=torch.channels_last)
    coarse = [b.coarse for b in batches if b.coarse is not None]
    return Batch(frames, torch.cat([b.labels for b in batches]), torch.cat(coarse) if coarse else None)


class Feed(DataLoader[Batch]):
    """A loader that adds up how long its batches were waited for, ``waited_s``."""

    waited_s = 0.0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        began = time.perf_counter()
        for batch in super().__iter__():
            self.waited_s += time.perf_counter() - began
            yield batch
            began = time.perf_counter()


class FrameModule(LightningDataModule):
    """What Lightning trains and tunes on: loaders over `VariedFrames` of fit and `PlainFrames` of tune.

    ``feeds`` are the loaders that were handed out.
    """

    def __init__(
        self, varied: VariedFrames, plain: PlainFrames, batch: int, steps_per_round: int, workers: int, seed: int
    ) -> None:
        super().__init__()
        self.varied, self.plain, self.batch, self.workers, self.seed = varied, plain, batch, workers, seed
        self.steps_per_round = steps_per_round
        self.feeds: list[Feed] = []

    @property
    def waited_s(self) -> float:
        """Seconds that batches were waited for since the beginning."""
        return sum(feed.waited_s for feed in self.feeds)

    def train_dataloader(self) -> Feed:
        """Batches of one round."""
        if self.workers:
            cv2.setNumThreads(1)  # before the fork: OpenCV's threads do not live on in a worker, which waits for them
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        sampler = RoundSampler(self.varied.frames, self.batch, self.steps_per_round, self.seed, rank, world)
        return self._feed(
            Feed(
                self.varied,
                batch_sampler=sampler,
                num_workers=self.workers,
                persistent_workers=self.workers > 0,
                collate_fn=collate,
            )
        )

    def val_dataloader(self) -> Feed:
        """The tune part in order, small batches."""
        return self._feed(Feed(self.plain, batch_size=8, collate_fn=collate))

    def _feed(self, feed: Feed) -> Feed:
        self.feeds.append(feed)
        return feed
