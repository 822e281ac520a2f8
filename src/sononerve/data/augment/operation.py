"""What every random operation is: a probability, ranges, and numbers drawn once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

Params = dict[str, float]
"""The numbers of one drawn operation: they can be printed, stored and applied again."""

Probability = Annotated[float, Field(ge=0, le=1)]


class Operation(BaseModel, ABC):
    """A random operation; ``p`` is how often it happens (0 switches it off)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p: Probability = 0.0

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Params:
        """Draw the numbers of one application."""
