"""Draw docs/images/robustness.jpg, every corruption on a frame of the phantom, and write the table of its page.

Run: python docs/make_robustness_pictures.py
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
from PIL import Image

from sononerve.data.phantom import PhantomConfig, frame
from sononerve.evaluate.robustness import CORRUPTIONS, SEVERITIES, corrupt

DOCS = Path(__file__).parent
BEGIN, END = "<!-- levels: made by docs/make_robustness_pictures.py -->", "<!-- end of levels -->"
SEED, SUBJECT, INDEX, PIXELS, SHOWN_PIXELS = 8, 0, 4, 384, 150
NAME = "phantom"
QUALITY = 60


def picture() -> None:
    """Rows are corruptions, columns severities."""
    size = {"subjects": SUBJECT + 1, "frames": INDEX + 1, "height": PIXELS, "width": PIXELS, "empty": 0.0, "seed": SEED}
    told = size | {
        "probe": {"fill": 1.0, "footprint_mm": 34.0, "contact": 0.0},
        "look": {"gain_db": (9.0, 9.0), "dropout": 0.0},
    }
    sample = frame(PhantomConfig.model_validate(told), SUBJECT, INDEX)
    rows, columns = len(CORRUPTIONS), SEVERITIES + 1
    figure, axes = plt.subplots(rows, columns, figsize=(1.6 * columns, 1.78 * rows), dpi=100)
    for row, (corruption, chosen) in zip(axes, CORRUPTIONS.items(), strict=True):
        for severity, axis in enumerate(row):
            pixels = corrupt(sample, NAME, corruption, severity).frame.pixels
            small = cv2.resize(pixels, (SHOWN_PIXELS, SHOWN_PIXELS), interpolation=cv2.INTER_AREA)
            axis.imshow(small, cmap="gray", vmin=0, vmax=255)
            axis.set_xticks([])
            axis.set_yticks([])
            level = "as it is" if severity == 0 else f"{severity}: {chosen.levels[severity - 1]:g}"
            axis.set_title(level, fontsize=8, pad=2)
        row[0].set_ylabel(f"{corruption}\n{chosen.parameter}", fontsize=7)
    figure.tight_layout(pad=0.4)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white")
    plt.close(figure)
    Image.open(stream).convert("L").save(DOCS / "images" / "robustness.jpg", quality=QUALITY, optimize=True)


def table() -> str:
    """What every severity is."""
    lines = ["| corruption | what is turned | 1 | 2 | 3 | 4 | 5 |", "|---|---|---|---|---|---|---|"]
    for name, chosen in CORRUPTIONS.items():
        levels = " | ".join(f"{level:g}" for level in chosen.levels)
        lines.append(f"| {name} | {chosen.parameter} | {levels} |")
    return "\n".join(lines)


def main() -> None:
    """Draw the picture and put the table into the page."""
    picture()
    page = DOCS / "how-to" / "robustness.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
