"""The phantom: a seeded simulator of nerve ultrasound with exact masks, for the demo and the tests, never for evidence.

A subject has an anatomy, drawn once in millimetres; a video has a probe that moves over it; a machine has a look. Each
frame has its own seed, so it does not depend on how many frames are asked for.
"""

from .config import Blood, Echo, Look, Needle, Nerve, PhantomConfig, Probe, Tissue, configured
from .pool import samples
from .scene import echoes, frame
from .write import write

__all__ = [
    "Blood",
    "Echo",
    "Look",
    "Needle",
    "Nerve",
    "PhantomConfig",
    "Probe",
    "Tissue",
    "configured",
    "echoes",
    "frame",
    "samples",
    "write",
]
