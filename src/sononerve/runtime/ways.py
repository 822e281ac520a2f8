"""How a frame is looked at, beside once as it is: what costs time at every frame and is off unless asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ways:
    """Extra looks at a frame; all are off by default.

    ``flip``: the network also sees the frame mirrored left to right, and the mean of both answers counts.
    """

    flip: bool = False

    @property
    def mark(self) -> str:
        """What is on, as ``+flip``; empty for a plain look. Behind a bundle's identity it tells what was computed."""
        return "+flip" if self.flip else ""


ONCE = Ways()
"""One look at each frame, as it is."""
