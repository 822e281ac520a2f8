"""Progress where a person waits: a live bar on a terminal, quiet lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)
QUIET_S = 30.0
BARS = "▁▂▃▄▅▆▇█"


def live() -> Progress:
    """A bar with counts and times that vanishes when it ends; nothing where there is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Values of 0..1 as a curve in one line of text, at most ``width`` characters: further values share one.

    >>> sparkline([0.0, 0.25, 0.5, 1.0])
    '▁▃▅█'
    """
    count = min(width, len(values))
    bounds = [round(place * len(values) / max(1, count)) for place in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]
    return "".join(BARS[min(len(BARS) - 1, max(0, int(mean * len(BARS))))] for mean in means)


@contextmanager
def counted(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that takes how many are done, of how many; without a terminal it says so every half minute.

    >>> with counted("read frames") as progress:
    ...     progress(1, 1)
    """
    said = time.monotonic()
    with live() as bars:
        task = bars.add_task(title, total=None, note="")

        def progress(done: int, total: int) -> None:
            nonlocal said
            bars.update(task, completed=done, total=total)
            if not console.is_terminal and time.monotonic() - said > QUIET_S:
                said = time.monotonic()
                console.print(f"{title}: {done} of {total}")

        yield progress
