"""What the registry knows of a network before it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from .output import SegmentationModel


@dataclass(frozen=True)
class Architecture:
    """What makes a network from its settings and the number of classes, and the class of its settings.

    ``network``: the network's class, or a function. ``usual``: its settings where none are told. ``narrower``: widths
    that a plan may choose in place of the usual one where time is short or an answer must be fast, the widest first.
    ``extra``: the extra of sononerve's that must be installed for it.
    """

    network: Callable[..., SegmentationModel]
    settings: type[BaseModel]
    usual: BaseModel
    sentence: str
    narrower: tuple[int, ...] = ()
    extra: str | None = None
