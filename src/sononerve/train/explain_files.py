"""Explain frames into a folder: a figure per frame, every map as a picture of 16 bit, and explain.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import __version__
from ..evaluate.report.maps import Map, maps_figure
from ..io.atomic import new_folder, write_bytes, write_text
from ..io.frames import read_frame, stem_of
from ..io.images import write_png
from ..runtime.bundle import Bundle
from .explain import METHODS, Explanation, explain_network
from .restore import read_recorded, restore

RECORD, MAPS = "explain.json", "maps"
NO_GATES = "this network has none"


def explain_files(
    bundle: Bundle, files: Sequence[Path], out: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the new folder ``out``, whole or not at all, for files of one frame each with different names.

    ``NAME.png`` is the figure, ``maps/NAME_MAP.png`` each map. Raises `InputError` where ``out`` is there already and
    not empty, for a file that cannot be read, and as `restore` does.
    """
    with new_folder(out) as building:
        (model, preprocess), recorded = restore(bundle), read_recorded(bundle)
        frames = [read_frame(file) for file in files]
        told, gated = [], False
        for number, (file, frame) in enumerate(zip(files, frames, strict=True), start=1):
            explanation = explain_network(frame, model, preprocess, bundle.config.classes, recorded.temperature.mask)
            gated = bool(explanation.gates)
            told.append(_write(explanation, file, building))
            if progress is not None:
                progress(number, len(files))
        record = {
            "sononerve": __version__,
            "model": bundle.identity,
            "network": recorded.training.model,
            "classes": bundle.config.classes,
            "methods": METHODS if gated else METHODS | {"gates": NO_GATES},
            "frames": told,
        }
        write_text(building / RECORD, json.dumps(record, indent=1) + "\n")


def _write(explanation: Explanation, file: Path, out: Path) -> dict[str, object]:
    """The figure and maps of one frame; what ``explain.json`` says of it."""
    stem, maps = stem_of(file), explanation.maps()
    write_bytes(out / f"{stem}.png", maps_figure(explanation.frame, maps, file.name))
    for one in maps:
        write_png(out / _place(stem, one), one.sixteen_bit())
    height, width = explanation.frame.shape
    described = [
        {
            "file": str(_place(stem, one)),
            "title": one.title,
            "unit": one.unit,
            "lowest": float(one.values.min()),
            "highest": float(one.values.max()),
            "65535_is": one.full,
        }
        for one in maps
    ]
    return {"file": str(file), "height": height, "width": width, "figure": f"{stem}.png", "maps": described}


def _place(stem: str, shown: Map) -> Path:
    return Path(MAPS) / f"{stem}_{shown.name}.png"
