"""Coverage of 95 % intervals of a mean over frames, by number of subjects and method, in simulated studies.

Run: python benchmarks/interval_coverage.py [--simulations 2000] [--out benchmarks/results/interval_coverage.json]

Two worlds. "even": 40 frames per subject, subjects near-symmetric around Dice 0.7, 2 % misses. "uneven": log-normal
numbers of frames (median 40), subjects skewed around 0.8, misses (Dice 0) that depend on the subject. In both, subjects
and frames vary as Beta distributions. The truth is the mean over all subjects there could be. Widths are averages.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sononerve.evaluate.statistics import bootstrap_interval

Floats = NDArray[np.float64]
Limits = tuple[float, float]

SUBJECTS = (2, 3, 5, 7, 10, 26, 50)
LEVEL = 0.95
RESAMPLES = 2_000


@dataclass(frozen=True)
class World:
    """How subjects, frames and misses are drawn; ``spread`` 0 gives every subject ``frames`` frames."""

    name: str
    mean: float
    subject_concentration: float
    frame_concentration: float
    frames: int
    spread: float
    miss: tuple[float, float]

    @property
    def truth(self) -> float:
        """The mean over all frames of all subjects there could be."""
        a, b = self.miss
        return self.mean * (1 - a / (a + b))

    def draw(self, subjects: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.intp]]:
        """Dice-like values in 0..1, one per frame, and the subject of each."""
        counts = np.maximum(1, np.rint(self.frames * rng.lognormal(0, self.spread, subjects))).astype(np.intp)
        k = self.subject_concentration
        means = rng.beta(self.mean * k, (1 - self.mean) * k, subjects).clip(0.001, 0.999)
        misses = rng.beta(*self.miss, subjects)
        subject = np.repeat(np.arange(subjects), counts)
        m, k = means[subject], self.frame_concentration
        values = rng.beta(m * k, (1 - m) * k) * (rng.random(len(subject)) >= misses[subject])
        return values, subject


WORLDS = (
    World("even", 0.7, 20, 15, 40, 0.0, (20.0, 980.0)),
    World("uneven", 0.8, 8, 15, 40, 0.8, (0.5, 6.0)),
)


@dataclass(frozen=True)
class Study:
    """One simulated study: its frames, and its subjects' sums, counts and resampled counts."""

    values: Floats
    subject: NDArray[np.intp]
    sums: Floats
    frames: Floats
    drawn: Floats

    @property
    def mean(self) -> float:
        """The mean over frames."""
        return float(self.sums.sum() / self.frames.sum())

    @property
    def means(self) -> Floats:
        """The resampled means over frames."""
        return np.asarray((self.drawn @ self.sums) / (self.drawn @ self.frames), np.float64)

    @property
    def jackknife(self) -> Floats:
        """The mean over frames without each subject."""
        return np.asarray((self.sums.sum() - self.sums) / (self.frames.sum() - self.frames), np.float64)


def percentile(study: Study) -> Limits:
    """The plain percentile interval."""
    low, high = np.quantile(study.means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def expanded(study: Study) -> Limits:
    """Percentiles widened by Student's t at the number of subjects (Hesterberg 2015)."""
    n = len(study.sums)
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - LEVEL) / 2, n - 1))
    low, high = np.quantile(study.means, [tail, 1 - tail])
    return float(low), float(high)


def chosen(study: Study) -> Limits:
    """What sononerve reports: widened at the effective number of subjects."""
    names = study.subject.astype(np.str_).tolist()
    found = bootstrap_interval(study.values, names, level=LEVEL, resamples=RESAMPLES)
    if found.low is None or found.high is None:
        raise RuntimeError("no interval; expected at least two subjects")
    return found.low, found.high


def bca(study: Study) -> Limits:
    """Bias-corrected and accelerated (Efron 1987), acceleration from the jackknife over subjects."""
    off = study.jackknife.mean() - study.jackknife
    acceleration = (off**3).sum() / (6 * ((off**2).sum()) ** 1.5)
    below = np.clip((study.means < study.mean).mean() + (study.means == study.mean).mean() / 2, 1e-4, 1 - 1e-4)
    bias = stats.norm.ppf(below)
    z = bias + stats.norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.quantile(study.means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def bootstrap_t(study: Study) -> Limits:
    """Studentised by the linearised variance of the ratio; cut at 0 and 1, for it runs off with few subjects."""
    y, n, drawn, means = study.sums, study.frames, study.drawn, study.means
    error = np.sqrt(((y - study.mean * n) ** 2).sum()) / n.sum()
    squares = drawn @ y**2 - 2 * means * (drawn @ (y * n)) + means**2 * (drawn @ n**2)
    errors = np.sqrt(squares.clip(0)) / (drawn @ n)
    t = (means - study.mean) / np.maximum(errors, 1e-9)
    low, high = study.mean - error * np.quantile(t, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    return max(0.0, float(low)), min(1.0, float(high))


def jackknife_t(study: Study) -> Limits:
    """No bootstrap: Student's t with the jackknife's standard error; cut at 0 and 1."""
    n = len(study.sums)
    off = study.jackknife - study.jackknife.mean()
    reach = stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.sqrt((off**2).sum() * (n - 1) / n)
    return max(0.0, study.mean - float(reach)), min(1.0, study.mean + float(reach))


METHODS: dict[str, Callable[[Study], Limits]] = {
    "percentile": percentile,
    "expanded": expanded,
    "chosen": chosen,
    "bca": bca,
    "bootstrap-t": bootstrap_t,
    "jackknife-t": jackknife_t,
}


@dataclass(frozen=True)
class Row:
    """One cell of the table."""

    world: str
    subjects: int
    method: str
    coverage: float
    mean_width: float


def simulate(world: World, subjects: int, simulations: int, seed: int = 0) -> list[Row]:
    """Draw studies and count how often each method's interval holds the truth."""
    rng = np.random.default_rng([seed, subjects])
    held, width = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    for _ in range(simulations):
        values, subject = world.draw(subjects, rng)
        drawn = rng.multinomial(subjects, np.full(subjects, 1 / subjects), RESAMPLES).astype(np.float64)
        sums, frames = np.bincount(subject, values), np.bincount(subject)
        study = Study(values, subject, sums.astype(np.float64), frames.astype(np.float64), drawn)
        for name, method in METHODS.items():
            low, high = method(study)
            held[name] += low <= world.truth <= high
            width[name] += high - low
    return [Row(world.name, subjects, name, held[name] / simulations, width[name] / simulations) for name in METHODS]


def main() -> None:
    """Simulate, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=2_000, help="studies per cell")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "interval_coverage.json")
    arguments = parser.parse_args()

    start = time.perf_counter()
    rows: list[Row] = []
    print(f"{'world':8}{'subjects':>9}" + "".join(f"{name:>16}" for name in METHODS) + "   coverage (mean width)")
    for world in WORLDS:
        for subjects in SUBJECTS:
            cells = simulate(world, subjects, arguments.simulations)
            rows += cells
            shown = "".join(f"{f'{cell.coverage:.3f} ({cell.mean_width:.3f})':>16}" for cell in cells)
            print(f"{world.name:8}{subjects:9d}{shown}", flush=True)
    seconds = time.perf_counter() - start
    print(f"{arguments.simulations} studies per cell, {RESAMPLES} resamples each, {seconds:.0f} s")
    record = {
        "simulations": arguments.simulations,
        "resamples": RESAMPLES,
        "level": LEVEL,
        "seconds": round(seconds, 1),
        "worlds": [asdict(world) for world in WORLDS],
        "rows": [asdict(row) for row in rows],
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
