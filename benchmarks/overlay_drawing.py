"""Draw what ultrasound machines burn into a frame, with its place known: for `overlay_detection.py`.

Everything random about one picture is drawn from one generator; `Drawn` says what came of it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Rng = np.random.Generator

WORDS = (
    *("SMITH JOHN 1962", "Meier, Anna", "12/03/2021 14:05", "2021-11-30", "O'Brien 07:12", "ID 0048213"),
    *("L", "R", "Left", "NERVE 1", "2.3 cm", "Median N.", "RIGHT AX", "1 D 0.41 cm"),
    *("MI 1.1  TIs 0.2", "L12-4  Depth 3.5cm"),
)
COLOURS = {"white": (1.0, 1.0, 1.0), "yellow": (1.0, 1.0, 0.1), "cyan": (0.2, 1.0, 1.0), "green": (0.1, 1.0, 0.2)}
DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SYSTEM = Path("/usr/share/fonts/truetype")
FONTS = {
    "default": None,
    "sans": DEJAVU / "DejaVuSans.ttf",
    "sans bold": DEJAVU / "DejaVuSans-Bold.ttf",
    "mono": DEJAVU / "DejaVuSansMono.ttf",
    "serif": DEJAVU / "DejaVuSerif.ttf",
    "liberation": SYSTEM / "liberation" / "LiberationSans-Regular.ttf",
}
HERSHEY = {"hershey": cv2.FONT_HERSHEY_SIMPLEX, "hershey plain": cv2.FONT_HERSHEY_PLAIN}
LUMA = np.array([0.299, 0.587, 0.114])
READABLE = 60  # grey levels between text without an outline and what is behind it; less, and nobody reads it


@dataclass(frozen=True)
class Drawn:
    """A picture with one kind of overlay: where it is, and under which conditions it was drawn."""

    pixels: Pixels
    boxes: tuple[Box, ...]
    conditions: dict[str, str] = field(default_factory=dict)


def text(frame: Pixels, rng: Rng) -> Drawn:
    """One line of text, on a black border or in the tissue."""
    words = str(rng.choice(WORDS))
    font = str(rng.choice([name for name, path in FONTS.items() if path is None or path.is_file()] + list(HERSHEY)))
    size, smooth, outlined = int(rng.integers(9, 37)), bool(rng.random() < 0.6), bool(rng.random() < 0.4)
    colour = str(rng.choice(["white", "white", "yellow", "cyan", "grey"]))
    level = float(rng.uniform(120, 200) if colour == "grey" else rng.uniform(180, 255))
    cover = _hershey(words, HERSHEY[font], size, smooth) if font in HERSHEY else _type(words, font, size, smooth)
    cover = cover[:, : frame.shape[1] - 8]
    place = "border" if rng.random() < 0.5 else "tissue"
    if place == "border":
        frame, x, y = _beside(frame, cover.shape, rng)
    else:
        x, y = _readable_spot(frame, cover, level, outlined, rng)
    canvas = frame.astype(np.float32)
    _lay(canvas, cover, x, y, level * np.array(COLOURS.get(colour, (1, 1, 1))), outlined)
    told = {
        "place": place + (", outlined" if outlined and place == "tissue" else ""),
        "font": font,
        "colour": colour,
        "smooth": "antialiased" if smooth else "hard",
        "length": "1 letter" if len(words) == 1 else "2-6" if len(words) < 7 else "7 and more",
    }
    rows, columns = np.flatnonzero(cover.max(1)), np.flatnonzero(cover.max(0))
    left, top = float(x + columns[0]), float(y + rows[0])
    box = (left, top, float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1))
    drawn, scale = _worn(Drawn(canvas.astype(np.uint8), (box,), told), rng)
    height = size * scale
    band = "under 9 px" if height < 9 else "9-12 px" if height < 12 else "12-18 px" if height < 18 else "18 px and more"
    return replace(drawn, conditions={"height": band, **drawn.conditions})


def callipers(frame: Pixels, rng: Rng) -> Drawn:
    """Two or four marks of one kind, each pair with or without a dotted line between."""
    canvas = frame.astype(np.float32)
    height, width = frame.shape[:2]
    shape, size, thick = str(rng.choice(["+", "x"])), int(rng.integers(7, 26)), int(rng.integers(1, 3))
    colour, pairs, dotted = str(rng.choice(["white", "yellow", "green"])), int(rng.integers(1, 3)), rng.random() < 0.6
    ink = rng.uniform(200, 255) * np.array(COLOURS[colour])
    lit = _lit(frame)
    boxes: list[Box] = []
    faint = False
    while len(boxes) < 2 * pairs:
        a = np.array([rng.uniform(lit[0] + 20, lit[2] - 20), rng.uniform(lit[1] + 20, lit[3] - 20)])
        turn, length = rng.uniform(0, np.pi), rng.uniform(max(50, 2 * size), 200)
        b = a + length * np.array([np.cos(turn), np.sin(turn)])
        if not (15 < b[0] < width - 15 and 15 < b[1] < height - 15):
            continue
        ends = [tuple(map(round, p)) for p in (a, b)]
        new = [(float(x - size // 2), float(y - size // 2), float(size), float(size)) for x, y in ends]
        if any(_touch(one, other) for one in new for other in boxes):
            continue
        for x, y in ends:
            behind = float(
                np.percentile(frame[y - size // 2 : y + size // 2 + 1, x - size // 2 : x + size // 2 + 1], 90)
            )
            faint |= float(ink @ LUMA) - behind < READABLE
            cover = _mark(shape, size, thick)
            _lay(canvas, cover, x - cover.shape[1] // 2, y - cover.shape[0] // 2, ink, False)
        if dotted:
            for t in np.arange(size, length - size + 1, rng.integers(4, 9)) / length:
                x, y = np.rint(a + t * (b - a)).astype(int)
                canvas[y, x] = ink
        boxes += new
    told = {"shape": shape, "size": "7-9 px" if size < 10 else "10-15 px" if size < 16 else "16-25 px",
            "thickness": f"{thick} px", "colour": colour, "line": "dotted" if dotted else "none",
        "contrast": f"a mark under {READABLE}" if faint else f"{READABLE} and more",
    }  # fmt: skip
    return _worn(Drawn(canvas.astype(np.uint8), tuple(boxes), told), rng)[0]


def doppler(frame: Pixels, rng: Rng) -> Drawn:
    """Flow in one vessel-like region: red or blue or both, or power Doppler, from 0.3 to 20 % of the frame."""
    height, width = frame.shape[:2]
    share = float(np.exp(rng.uniform(np.log(0.003), np.log(0.2))))
    flat = rng.uniform(0.4, 1)
    long = np.sqrt(share * height * width / np.pi / flat)
    lit = _lit(frame)
    centre = (rng.uniform(lit[0], lit[2]), rng.uniform(lit[1], lit[3]))
    inside = np.zeros((height, width), np.uint8)
    cv2.ellipse(inside, (tuple(map(float, centre)), (2 * long, 2 * long * flat), rng.uniform(0, 180)), 255, -1)
    noise = rng.normal(size=(height, width)).astype(np.float32)
    speed = np.asarray(cv2.GaussianBlur(noise, (0, 0), max(2, long / 4)), np.float32)
    speed = speed / np.abs(speed).max()
    mode = str(rng.choice(["red", "blue", "red and blue", "power"]))
    fast = (0.35 + 0.65 * np.abs(speed))[..., None]
    red = fast * [230, 40, 20] + np.maximum(fast - 0.7, 0) * [80, 600, 100]
    blue = fast * [30, 60, 235] + np.maximum(fast - 0.7, 0) * [150, 500, 60]
    flow = {"red": red, "blue": blue, "power": fast * [250, 140, 10]}.get(
        mode, np.where(speed[..., None] > 0, red, blue)
    )
    cover = np.asarray(cv2.GaussianBlur(inside, (0, 0), 1.0), np.float32)[..., None] / 255
    canvas = frame * (1 - cover) + np.clip(flow, 0, 255) * cover
    x, y, w, h = cv2.boundingRect(inside)
    share_lit = float((inside > 0).mean())
    told = {"mode": mode, "area": "under 1 %" if share_lit < 0.01 else "1-5 %" if share_lit < 0.05 else "5 % and more"}
    return _worn(Drawn(canvas.astype(np.uint8), ((float(x), float(y), float(w), float(h)),), told), rng)[0]


def _worn(drawn: Drawn, rng: Rng) -> tuple[Drawn, float]:
    """The picture after what exports do to it, and its scale: resampled, perhaps without colour, perhaps JPEG."""
    pixels, scale = drawn.pixels, 1.0
    if rng.random() < 0.5:
        scale = float(rng.uniform(0.7, 1.4))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    gray = "mode" not in drawn.conditions and rng.random() < 0.33
    if gray:
        gray_pixels = np.asarray(Image.fromarray(pixels).convert("L"))
        pixels = np.repeat(gray_pixels[..., None], 3, axis=-1)
    quality = int(rng.integers(60, 96)) if rng.random() < 0.6 else None
    if quality is not None:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        pixels = np.array(Image.open(stream))
    told = {
        "stored": "gray" if gray else "colour",
        "JPEG": "none" if quality is None else "60-77" if quality < 78 else "78-95",
        "scale": "1" if scale == 1 else "0.7-1" if scale < 1 else "1-1.4",
    }
    boxes = tuple((x * scale, y * scale, w * scale, h * scale) for x, y, w, h in drawn.boxes)
    return Drawn(pixels, boxes, {**drawn.conditions, **told}), scale


def _type(words: str, font: str, size: int, smooth: bool) -> Pixels:
    path = FONTS[font]
    face = ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)
    right, bottom = (int(side) for side in face.getbbox(words)[2:])
    image = Image.new("L", (right + 4, bottom + 4))
    pen = ImageDraw.Draw(image)
    pen.fontmode = "L" if smooth else "1"
    pen.text((2, 2), words, fill=255, font=face)
    return np.asarray(image)


def _hershey(words: str, face: int, size: int, smooth: bool) -> Pixels:
    thick = 1 if size < 20 else 2
    scale = cv2.getFontScaleFromHeight(face, max(6, round(0.75 * size)), thick)
    (width, height), below = cv2.getTextSize(words, face, scale, thick)
    cover = np.zeros((height + below + 6, width + 6), np.uint8)
    cv2.putText(cover, words, (2, height + 2), face, scale, 255, thick, cv2.LINE_AA if smooth else cv2.LINE_8)
    return cover


def _mark(shape: str, size: int, thick: int) -> Pixels:
    cover = np.zeros((size + 2, size + 2), np.uint8)
    low, high, middle = 1, size, (size + 1) // 2
    lines = [((low, middle), (high, middle)), ((middle, low), (middle, high))]
    if shape == "x":
        lines = [((low, low), (high, high)), ((low, high), (high, low))]
    for start, end in lines:
        cv2.line(cover, start, end, 255, thick)
    return cover


def _lay(canvas: NDArray[np.float32], cover: Pixels, x: int, y: int, ink: NDArray[np.float64], outlined: bool) -> None:
    height, width = cover.shape
    spot = canvas[y : y + height, x : x + width]
    cover = cover[: spot.shape[0], : spot.shape[1]]
    if outlined:
        around = np.asarray(cv2.dilate(cover, np.ones((3, 3), np.uint8)))
        spot[:] = spot * (1 - around[..., None] / 255)
    share = (cover.astype(np.float32) / 255)[..., None]
    spot[:] = spot * (1 - share) + ink.astype(np.float32) * share


def _beside(frame: Pixels, size: tuple[int, int], rng: Rng) -> tuple[Pixels, int, int]:
    """The frame with a black band above or below, and where in the band the text goes."""
    band = size[0] + int(rng.integers(4, 30))
    above = bool(rng.random() < 0.5)
    padded = cv2.copyMakeBorder(frame, band * above, band * (not above), 0, 0, cv2.BORDER_CONSTANT)
    y = int(rng.integers(0, band - size[0] + 1)) + (0 if above else frame.shape[0])
    return np.asarray(padded, np.uint8), int(rng.integers(0, frame.shape[1] - size[1])), y


def _readable_spot(frame: Pixels, cover: Pixels, level: float, outlined: bool, rng: Rng) -> tuple[int, int]:
    """A place in the tissue where the text can be read; the darkest of many where no place is dark enough."""
    low_x, low_y, high_x, high_y = _lit(frame)
    height, width = cover.shape
    tries = []
    for _ in range(30):
        x = int(rng.integers(low_x, max(high_x - width, low_x + 1)))
        y = int(rng.integers(low_y, max(high_y - height, low_y + 1)))
        x, y = min(x, frame.shape[1] - width), min(y, frame.shape[0] - height)
        behind = float(np.percentile(frame[y : y + height, x : x + width], 90))
        if outlined or level - behind >= READABLE:
            return x, y
        tries.append((behind, x, y))
    return min(tries)[1:]


def _lit(frame: Pixels) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect((frame.max(2) > 20).astype(np.uint8))
    return x, y, x + width, y + height


def _touch(a: Box, b: Box) -> bool:
    gap = 6
    return (
        a[0] < b[0] + b[2] + gap and b[0] < a[0] + a[2] + gap and a[1] < b[1] + b[3] + gap and b[1] < a[1] + a[3] + gap
    )
