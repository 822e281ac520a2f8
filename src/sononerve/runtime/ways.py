"""How a frame is looked at, beside once and whole: what costs time or nerves, and is off unless asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

SMALLEST_TILE = 32


@dataclass(frozen=True)
class Ways:
    """Other looks at a frame than the one; all are off by default.

    ``flip``: the network also sees the frame mirrored left to right, and the mean of both answers counts.
    ``sensitivity``: only frames that may hold a nerve are looked at whole: at least this share, below 1, of frames like
    those of the tune part that do hold one. ``second_look``: the surroundings of the box are looked at once more,
    closely. ``tile``: frames with a longer side than so many pixels are looked at in tiles of that size.
    """

    flip: bool = False
    sensitivity: float | None = None
    second_look: bool = False
    tile: int | None = None

    def __post_init__(self) -> None:
        if self.sensitivity is not None and not 0 < self.sensitivity < 1:
            raise InputError(f"--sensitivity {self.sensitivity}: expected a share between 0 and 1, as 0.9")

        if self.tile is not None and self.tile < SMALLEST_TILE:
            raise InputError(
                f"--tile {self.tile}: expected at least {SMALLEST_TILE} pixels, as frames it was trained on have"
            )

    @property
    def mark(self) -> str:
        """What is on, as ``+flip``; empty for a plain look. Behind a bundle's identity it tells what was computed."""
        on = {
            "flip": self.flip,
            f"sensitivity={self.sensitivity}": self.sensitivity is not None,
            "second-look": self.second_look,
            f"tile={self.tile}": self.tile is not None,
        }
        return "".join(f"+{name}" for name, said in on.items() if said)


ONCE = Ways()
"""One look at each frame, as it is."""
