"""Choose one of each side's candidates per pair so that, over all pairs, the two sides look alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SWEEPS = 4  # after which hardly a choice changes
FAR = 3.0  # standard deviations; farther ones count as that, or a single odd frame would steer all others


def balance(first: list[FloatArray], second: list[FloatArray]) -> list[tuple[int, int]]:
    """Choose a row of ``first[i]`` and a row of ``second[i]``, both ``(k, F)``, for every i.

    The choices make means, mean squares and mean products of the F features as equal as they get: one pair after
    another is chosen anew to bring the difference of the sums nearest to zero. This is minimisation as in clinical
    trials (Pocock and Simon, Biometrics 1975) with candidates instead of arms. Every list holds at least one row.

    >>> balance([np.array([[0.0], [9.0]])], [np.array([[8.0], [5.0]])])
    [(1, 0)]
    """
    if not first:
        return []
    pool = np.concatenate([*first, *second])
    centre, spread = pool.mean(0), np.maximum(pool.std(0), 1e-9)

    def moments(rows: FloatArray) -> FloatArray:
        z = ((rows - centre) / spread).clip(-FAR, FAR)
        upper = np.triu_indices(z.shape[1])
        return np.concatenate([z, z[:, upper[0]] * z[:, upper[1]]], axis=1)

    sides = [(moments(a), moments(b)) for a, b in zip(first, second, strict=True)]
    chosen = [(0, 0)] * len(sides)
    total = np.zeros(sides[0][0].shape[1])
    for sweep in range(SWEEPS):
        for i, (a, b) in enumerate(sides):
            if sweep:
                total -= a[chosen[i][0]] - b[chosen[i][1]]
            best = int(((total + a[:, None] - b[None]) ** 2).sum(-1).argmin())
            chosen[i] = best // len(b), best % len(b)
            total += a[chosen[i][0]] - b[chosen[i][1]]
    return chosen
