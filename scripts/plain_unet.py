"""A plain U-Net in a plain loop, on the very frames of a run: what a run must beat to be worth its code.

Nothing of sononerve's network, augmentation, loss, schedule or scaling is used; only its reading, its split and its
scores. 16 filters, five levels, BatchNorm; 256 x 256 squashed; fit and tune together; AdamW with a one-cycle schedule,
cross-entropy plus soft Dice, bf16; flips, rotation, scale, shear, shift, gamma, gain and noise; the last weights, with
one left-right flip averaged when scoring; presence is the highest probability plus the marked share of the frame.

    sononerve evaluate frames --model run --out scored
    python scripts/plain_unet.py frames --split run/split.json --against scored/frames.csv --out plain.json

Differences are those of the run minus the plain network, paired by frame, groups resampled.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import json
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sononerve.data.dataset import Dataset, load_dataset
from sononerve.data.split import Split
from sononerve.evaluate.boxes import score_boxes
from sononerve.evaluate.metrics import score_frame
from sononerve.evaluate.scores import FrameResult, Summary, summarise
from sononerve.evaluate.statistics import paired_difference

SIZE, BATCH, LEVELS = 256, 8, 5


def block(inside: int, out: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with BatchNorm and ReLU."""
    layers: list[nn.Module] = []
    for channels in (inside, out):
        layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class PlainUNet(nn.Module):
    """Logits ``(N, classes + 1, H, W)``, background first, of frames ``(N, 1, H, W)``."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        sizes = [width * 2**level for level in range(LEVELS)]
        pairs = list(itertools.pairwise(sizes))
        self.down = nn.ModuleList([block(1, width), *(block(small, large) for small, large in pairs)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(large, small, 2, 2) for small, large in pairs])
        self.join = nn.ModuleList([block(2 * small, small) for small, _ in pairs])
        self.last = nn.Conv2d(width, classes + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for skip, up, join in zip(skips[-2::-1], self.up[::-1], self.join[::-1], strict=True):
            x = join(torch.cat([skip, up(x)], 1))
        logits: Tensor = self.last(x)
        return logits


def squashed(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """All frames ``(N, 1, S, S)`` in 0..1, and their labels ``(N, S, S)``."""
    frames, labels = [], []
    for i in range(len(dataset)):
        sample = dataset[i]
        frames.append(as_input(torch.from_numpy(sample.frame.pixels)))
        labels.append(F.interpolate(torch.from_numpy(sample.labels)[None, None].float(), (SIZE, SIZE))[0, 0].long())
    return torch.cat(frames), torch.stack(labels)


def as_input(pixels: Tensor) -> Tensor:
    """One frame ``(H, W)`` uint8 as ``(1, 1, S, S)`` in 0..1."""
    return F.interpolate(pixels[None, None].float() / 255, (SIZE, SIZE), mode="bilinear", antialias=True)


def varied(frames: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """A batch with random geometry and brightness."""

    def drawn(low: float, high: float) -> Tensor:
        return torch.empty(len(frames)).uniform_(low, high)

    angle, zoom, shear = drawn(-15, 15).deg2rad(), drawn(math.log(0.8), math.log(1.25)).exp(), drawn(-0.1, 0.1)
    flip = torch.where(drawn(0, 1) < 0.5, -1.0, 1.0)
    matrix = torch.zeros(len(frames), 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = flip * zoom * angle.cos(), zoom * (shear - angle.sin())
    matrix[:, 1, 0], matrix[:, 1, 1] = flip * zoom * angle.sin(), zoom * angle.cos()
    matrix[:, 0, 2], matrix[:, 1, 2] = drawn(-0.2, 0.2), drawn(-0.2, 0.2)
    grid = F.affine_grid(matrix, list(frames.shape), align_corners=False)
    frames = F.grid_sample(frames, grid, align_corners=False)
    labels = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)[:, 0].long()
    gamma, gain, noise = (drawn(*limits).view(-1, 1, 1, 1) for limits in ((0.7, 1.5), (0.8, 1.2), (0, 0.05)))
    frames = frames.clamp(0, 1) ** gamma * gain + torch.randn_like(frames) * noise
    return frames.clamp(0, 1), labels


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Dice of the batch."""
    truth = F.one_hot(labels, logits.shape[1]).movedim(3, 1)[:, 1:].float()
    found = logits.softmax(1)[:, 1:]
    overlap, total = (truth * found).sum((0, 2, 3)), (truth + found).sum((0, 2, 3))
    return F.cross_entropy(logits, labels) + 1 - ((2 * overlap + 1) / (total + 1)).mean()


def train(fitted: Dataset, epochs: int, rate: float) -> PlainUNet:
    """Train on all frames, printing the loss as it goes."""
    frames, labels = squashed(fitted)
    model = PlainUNet(len(fitted.classes))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * (len(frames) // BATCH))
    for epoch in range(1, epochs + 1):
        losses = []
        for chosen in torch.randperm(len(frames)).split(BATCH):  # type: ignore[no-untyped-call]
            if len(chosen) < BATCH:
                continue
            x, y = varied(frames[chosen], labels[chosen])
            loss = loss_of(logits_of(model, x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        if epoch % 10 == 0 or epoch == epochs:
            print(f"epoch {epoch} of {epochs}: loss {sum(losses) / len(losses):.3f}", flush=True)
    return model


def logits_of(model: PlainUNet, frames: Tensor) -> Tensor:
    """Logits in float32 of frames in 0..1, the network in bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        logits: Tensor = model(((frames - 0.25) / 0.2).contiguous(memory_format=torch.channels_last))
    return logits.float()


@torch.no_grad()
def score(model: PlainUNet, held_out: Dataset, groups: list[str]) -> list[FrameResult]:
    """Every held-out frame at its own size."""
    model.eval()
    results = []
    for i, group in enumerate(groups):
        sample = held_out[i]
        x = as_input(torch.from_numpy(sample.frame.pixels))
        both = logits_of(model, x).softmax(1) + logits_of(model, x.flip(3)).softmax(1).flip(3)
        probability = F.interpolate(both / 2, sample.frame.shape, mode="bilinear")[0]
        found = probability.argmax(0).numpy()
        truth = sample.labels
        if truth is None:
            raise SystemExit(f"{sample.frame.source}: no mask to score against")
        scored = {
            name: score_frame(truth == label, found == label, None)
            for label, name in enumerate(held_out.classes, start=1)
        }
        presence = float(probability[1].max() + (found == 1).mean()) / 2
        present, boxes = bool((truth == 1).any()), score_boxes(sample, found == 1)
        results.append(FrameResult(held_out.records[i].name, group, sample.annotator, presence, present, scored, boxes))
    return results


def dice_of(table: Path) -> dict[tuple[str, str], str]:
    """The Dice of a run's ``frames.csv``, by frame and class."""
    with table.open(newline="", encoding="utf-8") as file:
        return {(row["frame"], row["class"]): row["dice"] for row in csv.DictReader(file)}


def differences(results: list[FrameResult], table: Path) -> dict[str, object]:
    """By class, the Dice of the run whose ``frames.csv`` is given, minus that of the plain network."""
    theirs = dice_of(table)
    found: dict[str, object] = {}
    for name in results[0].classes:
        known = [r for r in results if r.classes[name].dice is not None]
        run = [float(theirs[r.name, name]) for r in known]
        plain = [r.classes[name].dice or 0.0 for r in known]
        found[name] = dataclasses.asdict(paired_difference(run, plain, [r.group for r in known]))
    return found


def main() -> None:
    """Train, score, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    dataset, division = load_dataset(given.data), Split.read(given.split)
    fit, tune, test = (division.indices(dataset, given.fold, part) for part in ("fit", "tune", "test"))
    if given.against and {dataset.names[i] for i in test} != {frame for frame, _ in dice_of(given.against)}:
        raise SystemExit(f"{given.against}: its frames are not the test part of fold {given.fold} of {given.split}")
    began = time.monotonic()
    model = train(dataset.select([*fit, *tune]), given.epochs, given.rate)
    seconds = time.monotonic() - began
    results = score(model, dataset.select(test), [division.groups[dataset.records[i].name] for i in test])
    by_annotator = {
        who: without_names(summarise([r for r in results if r.annotator == who], dataset.classes))
        for who in sorted({r.annotator for r in results if r.annotator})
    }
    overall = summarise(results, dataset.classes)
    told = {
        "command": " ".join(["python", "scripts/plain_unet.py", *sys.argv[1:]]),
        "frames": {"trained": len(fit) + len(tune), "scored": len(test)},
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "split": division.statement,
        "overall": without_names(overall),
        "by_annotator": by_annotator,
        "dice": {r.name: {name: scores.dice for name, scores in r.classes.items()} for r in results},
        "run_minus_plain": differences(results, given.against) if given.against else None,
    }
    given.out.write_text(json.dumps(told, indent=1) + "\n")
    for name, found in overall.classes.items():
        print(name, "Dice", found.scores["dice"])
    print("run minus plain:", told["run_minus_plain"])


def without_names(summary: Summary) -> dict[str, object]:
    """As JSON without the names of subjects."""
    told = dataclasses.asdict(summary)
    for found in told["classes"].values():
        del found["dice_by_subject"]
    return told


if __name__ == "__main__":
    main()
