"""Networks of other libraries by name, each in the form of a `SegmentationModel`.

The libraries are imported when a network is built. MONAI comes with sononerve's extra ``train``,
segmentation-models-pytorch and timm with its extra ``zoo``.
"""

from __future__ import annotations

from ..architecture import Architecture
from .monai import MONAI
from .nnunet import NNUNET
from .smp import SMP

ZOO: dict[str, Architecture] = {**NNUNET, **MONAI, **SMP}
