"""The folder of this machine where sononerve keeps what can be had again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """The folder for what sononerve keeps: ``SONONERVE_HOME``, or its own in the user's folder for caches."""
    told, cache, local = (os.environ.get(name, "") for name in ("SONONERVE_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"))
    if told:
        return Path(told)
    if cache:
        return Path(cache) / "sononerve"
    if sys.platform == "win32" and local:
        return Path(local) / "sononerve"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "sononerve"
