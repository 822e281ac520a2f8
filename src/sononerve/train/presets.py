"""Presets: how fast a model must answer, and so how large its network and canvas may be at most.

What they take on one machine is measured in docs/results/runtime.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PresetName = Literal["realtime", "accurate", "tiny"]


@dataclass(frozen=True)
class Preset:
    """``widest``: channels of the first level of networks that have a width. ``largest``: longer side of the canvas."""

    widest: int
    largest: int


PRESETS: dict[PresetName, Preset] = {
    "realtime": Preset(widest=32, largest=256),
    "accurate": Preset(widest=48, largest=512),
    "tiny": Preset(widest=16, largest=192),
}
