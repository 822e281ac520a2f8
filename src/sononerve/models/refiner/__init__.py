"""A second, small network that mends what a first one drew."""

from .model import Refined, Refiner

__all__ = ["Refined", "Refiner"]
