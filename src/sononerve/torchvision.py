"""A torchvision that does not fit PyTorch, made to import all the same.

PyPI's torchvision is built for CUDA. Beside a CPU-only PyTorch its compiled operators cannot be loaded, and then it
does not import at all: "operator torchvision::nms does not exist". Networks need none of its operators, but timm,
segmentation-models-pytorch and, through torchmetrics, Lightning import it where it is installed.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from importlib.util import find_spec

from .errors import InputError

OPERATORS = ("nms", "qnms")
"""Those that torchvision's Python part takes for granted; the others it asks for."""

_declared: list[object] = []  # operators live as long as the library that declared them


def make_importable() -> None:
    """Import torchvision where it is installed, with empty `OPERATORS` where its own cannot be loaded.

    Raises `InputError` with both versions where it does not import even so.
    """
    if "torchvision" in sys.modules or find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError, AttributeError):
        _import_without_operators()


def _import_without_operators() -> None:
    import torch

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for name in OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            told = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(told)  # type: ignore[no-untyped-call]
    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise InputError(
            f"torchvision {version('torchvision')} does not import beside torch {torch.__version__} ({error}); install "
            "both from one index, as: pip install --force-reinstall 'torch>=2.10,<2.14' torchvision --index-url "
            "https://download.pytorch.org/whl/cpu, or do without: pip uninstall torchvision"
        ) from error
