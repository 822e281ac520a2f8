"""The audit of a data set: what a careful colleague would find before training."""

from .findings import Audit
from .run import audit

__all__ = ["Audit", "audit"]
