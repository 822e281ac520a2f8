"""Draw docs/images/phantom and the tables of docs/phantom.md: what every knob of the phantom does to one frame.

Run: python docs/make_phantom_pictures.py [GROUP ...]; without groups all pictures are drawn.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from sononerve.data.phantom import PhantomConfig, frame
from sononerve.data.phantom.knobs import Knobs, Range, limits

DOCS = Path(__file__).parent
PICTURES = DOCS / "images" / "phantom"
BEGIN, END = "<!-- knobs: made by docs/make_phantom_pictures.py -->", "<!-- end of knobs -->"
SEED, SUBJECT, INDEX, PIXELS, SHOWN_PIXELS = 8, 0, 4, 384, 190
QUALITY = 60

COMPANIONS: dict[str, dict[str, object]] = {
    "needle": {"needle.share": 1.0, "needle.injectate": 1.0},
    "blood": {"blood.artery": 1.0, "blood.vein": 1.0},
    "probe.fill": {"nerve.depth_mm": 6.0, "probe.depth_mm": (16.0, 48.0)},
    "probe.depth_mm": {"probe.fill": 0.0},
    "probe.fps": {"video": True},
}
"""What else must be set so that a group or a knob has something to show."""
EXTREMES: dict[str, tuple[float, float, float]] = {
    "tissue.decoys": (0, 2, 8),
    "needle.injectate": (0, 0.6, 1),
    "needle.reverberation": (0, 0.5, 0.8),
    "blood.pulse": (0, 0.04, 0.3),
    "blood.softness": (0, 5, 10),
    "probe.slide_mm": (0, 3, 12),
    "probe.along_mm": (0, 8, 30),
    "probe.tilt_deg": (0, 7, 20),
    "probe.rock_deg": (0, 2, 12),
    "probe.pressure": (0, 0.05, 0.25),
    "probe.sweep_s": (10, 27.5, 60),
    "probe.fps": (5, 25, 100),
    "echo.looks": (1, 3, 9),
    "echo.noise_db": (-90, -70, -50),
    "look.sliders_db": (0, 1.5, 6),
    "nerve.more": (0, 0.35, 1),
}
"""Values to show where the ends of the default, or of a share, say little."""


def groups() -> dict[str, type[Knobs]]:
    """The groups of knobs by name."""
    found = {name: field.annotation for name, field in PhantomConfig.model_fields.items()}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, Knobs)}


def base() -> dict[str, object]:
    """A subject in the middle of every range, so that one knob can be turned alone."""
    told: dict[str, object] = {}
    for group, kind in groups().items():
        defaults = {name: field.default for name, field in kind.model_fields.items()}
        told[group] = {k: sum(v) / 2 if isinstance(v, tuple) else v for k, v in defaults.items()}
    told["nerve"] |= {"roots": 0.0, "more": 0.0}  # type: ignore[operator]
    told["tissue"] |= {"bone": 0.0}  # type: ignore[operator]
    told["needle"] |= {"share": 0.0}  # type: ignore[operator]
    told["probe"] |= {"contact": 0.0, "fill": 1.0, "footprint_mm": 34.0}  # type: ignore[operator]
    told["look"] |= {"dropout": 0.0, "gain_db": 2.0}  # type: ignore[operator]
    size = {"subjects": 1, "frames": INDEX + 1, "height": PIXELS, "width": PIXELS, "empty": 0.0, "seed": SEED}
    return told | size


def drawn(changes: dict[str, object]) -> NDArray[np.uint8]:
    """The frame with some knobs turned, as it is shown."""
    told = base()
    for name, value in changes.items():
        group, _, knob = name.rpartition(".")
        inner = told[group] if group else told
        assert isinstance(inner, dict)
        inner[knob] = value
    pixels = frame(PhantomConfig.model_validate(told), SUBJECT, INDEX).frame.pixels
    return np.asarray(cv2.resize(pixels, (SHOWN_PIXELS, SHOWN_PIXELS), interpolation=cv2.INTER_AREA), np.uint8)


def values(group: str, name: str, default: Range | float, low: float, high: float) -> tuple[float, ...]:
    """Three values to show."""
    if f"{group}.{name}" in EXTREMES:
        return EXTREMES[f"{group}.{name}"]
    if isinstance(default, tuple):
        a, b = default
        more = 0.25 * (b - a)
        return max(a - more, low), (a + b) / 2, min(b + more, high)
    return low, default, high


def picture(group: str, kind: type[Knobs]) -> None:
    """Rows are knobs, columns three values."""
    names = list(kind.model_fields)
    figure, axes = plt.subplots(len(names), 3, figsize=(6.2, 2.2 * len(names)), dpi=100, squeeze=False)
    for name, row in zip(names, axes, strict=True):
        field = kind.model_fields[name]
        unit = field.json_schema_extra["unit"] if isinstance(field.json_schema_extra, dict) else ""
        shown = values(group, name, field.default, *limits(field))
        for axis, value, column in zip(row, shown, ("low", "middle", "high"), strict=True):
            changes = COMPANIONS.get(group, {}) | COMPANIONS.get(f"{group}.{name}", {})
            cell(axis, drawn({**changes, f"{group}.{name}": value}), f"{column}: {value:.3g} {unit}")
        row[0].set_ylabel(name, fontsize=9)
    figure.tight_layout(pad=0.4)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    plt.close(figure)
    PICTURES.mkdir(parents=True, exist_ok=True)
    Image.open(stream).convert("L").save(PICTURES / f"{group}.jpg", quality=QUALITY, optimize=True)


def cell(axis: Axes, pixels: NDArray[np.uint8], title: str) -> None:
    """One frame with the value that was turned."""
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(title, fontsize=8, pad=2)


def table(group: str, kind: type[Knobs]) -> str:
    """What every knob of a group is."""
    lines = [f"### {group}", "", str(kind.__doc__), "", "| knob | unit | from, to | default | meaning |"]
    lines.append("|---|---|---|---|---|")
    for name, field in kind.model_fields.items():
        unit = str(field.json_schema_extra["unit"]) if isinstance(field.json_schema_extra, dict) else ""
        low, high = limits(field)
        default = " to ".join(f"{v:g}" for v in np.atleast_1d(field.default))
        lines.append(f"| `{group}.{name}` | {unit} | {low:g}, {high:g} | {default} | {field.description} |")
    return "\n".join([*lines, "", f"![{group}: low, middle and high of each knob](images/phantom/{group}.jpg)", ""])


def main(wanted: list[str]) -> None:
    """Draw the pictures and put the tables into the page."""
    for group, kind in groups().items():
        if not wanted or group in wanted:
            picture(group, kind)
    page = DOCS / "phantom.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    tables = "\n".join(table(group, kind) for group, kind in groups().items())
    page.write_text(f"{before}{BEGIN}\n{tables}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
