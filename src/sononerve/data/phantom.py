"""The phantom: a seeded simulator of nerve ultrasound with exact masks, for the demo and the tests, never for evidence.

An anatomy is drawn once per subject in millimetres; the probe moves it for each frame; echoes, speckle and the
grey scale follow. Every frame has its own seed, so it does not depend on how many frames are asked for.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..frame import Frame, Sample, measure

Rng = np.random.Generator
Pair = tuple[float, float]
Points = NDArray[np.float64]
Plane = NDArray[np.float32]
NERVE, VESSEL = 1, 2
SUBPIXEL = 4  # bits after the point in the coordinates that OpenCV draws with
BRIGHTEST_DB, NOISE_DB, BLOOD_DB = -5.0, -64.0, -55.0
GRAIN_MM = ((0.09, 0.7), (0.9, 1.6))  # of fibres and of clouds (row, column)
SOFTNESS = {"artery": 1.0, "vein": 5.0}  # how much of the pressure a vessel gives way to


class PhantomConfig(BaseModel):
    """How many subjects and frames, how large, what is in them; ``empty`` is the share of frames without a nerve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: int = Field(default=6, gt=0, le=100_000)
    frames: int = Field(default=12, gt=0, le=100_000)
    height: int = Field(default=256, ge=32, le=2048)
    width: int = Field(default=256, ge=32, le=2048)
    empty: float = Field(default=0.2, ge=0, le=1)
    vessels: bool = True
    seed: int = Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True)
class Region:
    """A patch of tissue that hides what was drawn before: outline ``(n, 2)`` as (x, y) in mm, echo in dB."""

    outline: Points
    level: float


@dataclass(frozen=True)
class Strand:
    """A smooth reflector: a line ``(n, 2)`` as (x, y) in mm, brightness 0..1, thickness in mm."""

    line: Points
    brightness: float
    thickness: float = 0.1


Drawing = tuple[Region | Strand, ...]
"""Shapes in the order in which they are drawn."""


@dataclass(frozen=True)
class Beam:
    """Columns from ``left`` to ``right`` that echo ``db`` stronger or weaker below ``top``; ``soft`` edges; mm."""

    left: float
    right: float
    top: float
    db: float
    soft: float


@dataclass(frozen=True)
class Anatomy:
    """What the frames of one subject share.

    ``extent``: depth and width in mm. ``gain``: dB from top to bottom, attenuation included. ``range_db``: from black
    to white. ``spread``: of a point, in mm (row, column). ``motion``: middle, amplitude, turns per frame and phase of
    shift, tilt and pressure ``(3, 4)``. ``presence``: where on its way over the nerve the video starts, 0..1.
    """

    extent: Pair
    tissue: Drawing
    vessels: dict[str, Points]
    nerve: Drawing
    beams: tuple[Beam, ...]
    gain: Points
    range_db: float
    spread: Pair
    motion: Points
    presence: float


def _oval(rng: Rng, centre: Points, radii: Pair, wobble: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.ones((48, 1))
    for order in (2, 3, 4):
        radius[:, 0] += wobble * rng.normal() / order * np.sin(order * angle + rng.uniform(0, 2 * np.pi))
    return np.asarray(centre + np.c_[np.cos(angle), np.sin(angle)] * radii * radius.clip(0.6, 1.4))


def _wall(outline: Points, brightness: float) -> Drawing:
    """The wall of an oval ``(48, 2)``: what lies across the beam reflects it, the sides hardly."""
    ring, bottom, top = np.r_[outline, outline[:1]], outline[3:22], outline[27:46]
    return Strand(ring, 0.15 * brightness), Strand(top, brightness), Strand(bottom, 0.8 * brightness)


def _streaks(rng: Rng, box: Points, count: float, *, length: Pair, shade: float, slope: float = 0.0) -> Drawing:
    """Short bent reflectors that lie in ``box`` (corners ``(2, 2)``, mm) and run about along ``slope``."""
    along = np.linspace(-0.5, 0.5, 9)
    streaks = []
    for _ in range(int(count)):
        size = np.exp(rng.uniform(*np.log(length)))
        curve = (slope + rng.normal(0, 0.1)) * along + rng.normal(0, 0.12) * along**2
        curve += 0.02 * np.sin(9 * along + rng.uniform(0, 6))
        brightness = shade * np.exp(rng.uniform(-2.5, 0))  # few strong, many weak
        streaks.append(Strand(rng.uniform(*box) + size * np.c_[along, curve], brightness, rng.uniform(0.03, 0.15)))
    return tuple(streaks)


def _boundary(rng: Rng, depth: float, extent: Pair, bend: float) -> Points:
    x = np.linspace(-0.3, 1.3, 65)
    y = depth + 2 * bend * rng.normal() * (x - 0.5)
    for order in (1.0, 2.1, 3.7):
        y += bend * rng.normal() / (1 + order) * np.sin(4 * order * x + rng.uniform(0, 2 * np.pi))
    return np.asarray(np.c_[x * extent[1], y])


def _fascia(rng: Rng, boundary: Points) -> Drawing:
    """Sheets that part and join again along a boundary, none of them whole."""
    strands = []
    for first in rng.integers(0, len(boundary) - 14, 7):
        line = boundary[first : first + rng.integers(12, 40)].copy()
        line[:, 1] += rng.uniform(-0.4, 0.4) + 0.15 * np.sin(line[:, 0] * rng.uniform(0.3, 0.8) + rng.uniform(0, 6))
        strands.append(Strand(line, rng.uniform(0.15, 1.0), rng.uniform(0.03, 0.25)))
    return tuple(strands)


def _layers(rng: Rng, extent: Pair, nerve_depth: float) -> Drawing:
    """Skin, fat with septa, fascia, muscle with fibres, a deep fascia, and what lies below."""
    depth, width = extent
    edges = (
        _boundary(rng, rng.uniform(0.04, 0.07) * depth, extent, 0.1),
        _boundary(rng, nerve_depth * rng.uniform(0.45, 0.75), extent, 0.8),
        _boundary(rng, nerve_depth + depth * rng.uniform(0.15, 0.3), extent, 1.5),
    )
    far, left, right = 2 * depth, -0.3 * width, 1.3 * width
    levels = rng.uniform((-47, -48, -47), (-41, -43, -41)).tolist()
    corners = np.array([[right, far], [left, far]])
    regions = [Region(np.r_[edge, corners], level) for edge, level in zip(edges, levels, strict=True)]
    skin, fascia, deep = (edge[:, 1].mean() for edge in edges)
    fat, muscle, below = (np.array([[left, a], [right, b]]) for a, b in ((skin, fascia), (fascia, deep), (deep, depth)))
    span = 1.6 * min(width, 100.0)  # a wide frame stays affordable
    slope = rng.uniform(-0.25, 0.25)
    return (
        Region(np.array([[left, -1.0], [right, -1.0], *corners]), -37.0),
        *regions,
        Strand(np.array([[left, 0.1], [right, 0.1]]), 0.5),
        *_streaks(rng, fat, span * rng.uniform(0.4, 1.2), length=(1.5, 10), shade=0.8),
        *_streaks(rng, muscle, span * rng.uniform(2, 5), length=(0.4, 4), shade=0.4, slope=slope),
        *_streaks(rng, below, span * rng.uniform(1, 4), length=(0.4, 4), shade=0.4, slope=-slope),
        *_fascia(rng, edges[1]),
        *_fascia(rng, edges[2]),
    )


def _connective(rng: Rng, centre: Points, radii: Pair) -> Drawing:
    """A bright knot without fascicles, with a lean of its own: to a threshold it looks like a nerve."""
    regions = (Region(_oval(rng, centre, (radii[0] * k, radii[1] * k), 0.3), -35.0 - 5 * k) for k in (1.0, 0.6))
    box = centre + 0.7 * np.array([np.negative(radii), radii])
    return (*regions, *_streaks(rng, box, 16, length=(0.5, 2.5), shade=0.5, slope=rng.normal(0, 0.2)))


def _nerve(rng: Rng, outline: Points, radii: Pair) -> Drawing:
    """A honeycomb: fascicles thrown into the epineurium until no more fit, each within its bright perineurium."""
    drawing: Drawing = (Region(outline, rng.uniform(-39, -36)), *_wall(outline, rng.uniform(0.1, 0.35)))
    contour = outline.astype(np.float32).reshape(-1, 1, 2)
    largest, gap, level = radii[1] * rng.uniform(0.35, 0.5), 0.1 * radii[1], rng.uniform(-54, -50)
    taken: list[tuple[Points, float]] = []
    for radius in (largest * np.linspace(1, 0.45, 240)).tolist():
        place = outline.mean(0) + np.array(radii) * rng.uniform(-1, 1, 2)
        room = cv2.pointPolygonTest(contour, (float(place[0]), float(place[1])), True) - gap
        if room < radius or any(np.hypot(*(place - other)) < radius + r + gap for other, r in taken):
            continue
        taken.append((place, radius))
        fascicle = _oval(rng, place, (radius * 1.1, radius * 0.95), 0.12)
        drawing += (Region(fascicle, level + rng.normal()), *_wall(fascicle, rng.uniform(0.05, 0.3)))
    return drawing


def _vessels(rng: Rng, beside: Points, radii: Pair, width: float) -> dict[str, Points]:
    """An artery on the nerve's roomier side and often a vein beyond it; neither touches the nerve."""
    side = 1.0 if beside[0] < width / 2 else -1.0
    size = min(radii[1] * rng.uniform(0.7, 1.5), 0.15 * width)
    artery = np.add(beside, (side * (1.3 * radii[0] + size * rng.uniform(1.3, 2.5)), size * rng.uniform(-0.5, 1.2)))
    vessels = {"artery": _oval(rng, artery, (size, size * 0.95), 0.05)}
    if rng.random() < 0.6:
        other = size * rng.uniform(0.8, 1.3)
        vein = np.add(artery, (side * (1.35 * size + 1.6 * other), size * rng.uniform(-0.5, 0.8)))
        vessels["vein"] = _oval(rng, vein, (other * 1.2, other * 0.7), 0.12)
    return vessels


def _shadows(rng: Rng, extent: Pair, vessels: dict[str, Points]) -> tuple[Drawing, tuple[Beam, ...]]:
    """Enhancement behind vessels, and sometimes a shadow: of a bad contact at the side, of a bone (drawn) below."""
    depth, width = extent
    bone: Drawing = ()
    beams = []
    for outline in vessels.values():
        (left, top), (right, bottom) = outline.min(0), outline.max(0)
        inset, start = 0.15 * (right - left), bottom - 0.1 * (bottom - top)
        beams.append(Beam(left + inset, right - inset, start, rng.uniform(4, 9), 0.3))
    if rng.random() < 0.3:
        reach = rng.uniform(0, 0.15) * width
        left, right = (-width, reach) if rng.random() < 0.5 else (width - reach, 2 * width)
        beams.append(Beam(left, right, 0.0, -rng.uniform(8, 22), 0.05 * width))
    if rng.random() < 0.35:
        x, y, half = rng.uniform((0, 0.8 * depth, 0.12 * width), (width, 0.95 * depth, 0.25 * width)).tolist()
        along = np.linspace(-1, 1, 25)
        arc = y + rng.uniform(0.03, 0.12) * depth * along**2 + 0.1 * rng.normal(size=25).cumsum()
        bone = (Strand(np.c_[x + half * along, arc], 1.0, 0.3),)
        beams.append(Beam(x - half, x + half, y + 0.8, -16.0, 0.6))
    return bone, tuple(beams)


@lru_cache(maxsize=2)  # frames are asked for subject by subject
def _anatomy(seed: int, subject: int, aspect: float) -> Anatomy:
    """Draw a subject; ``aspect`` is the width of its frames over their height."""
    rng = np.random.default_rng([seed, subject, 0])
    depth = rng.uniform(18, 26)
    extent = (depth, depth * aspect)
    radii = (min(rng.uniform(2.0, 3.8), 0.25 * extent[1]), rng.uniform(1.3, 2.1))
    centre = rng.uniform((0.3, 0.3), (0.7, 0.6)) * extent[::-1]
    tissue = _layers(rng, extent, centre[1])
    for _ in range(4):  # dark muscle bundles and bright knots of a nerve's size, anywhere
        size = (radii[0] * rng.uniform(0.5, 1.2), radii[1] * rng.uniform(0.5, 1.2))
        dark, bright = rng.uniform((-0.1, 0.2), (1.1, 0.9), (2, 2)) * extent[::-1]
        bundle = _oval(rng, dark, size, 0.3)
        tissue += (Region(bundle, rng.uniform(-51, -46)), *_wall(bundle, rng.uniform(0.02, 0.2)))
        tissue += _connective(rng, bright, size)
    tissue += _connective(rng, centre, (1.3 * radii[0], 1.4 * radii[1]))
    vessels = _vessels(rng, centre, radii, extent[1])
    bone, beams = _shadows(rng, extent, vessels)
    nerve = _nerve(rng, _oval(rng, centre, radii, 0.15), radii)
    level, loss, range_db, axial, lateral = rng.uniform((-3, 0, 54, 0.06, 0.15), (3, 0.8, 66, 0.09, 0.26)).tolist()
    # sliders turned by hand, and what they leave of the loss; the nerve's depth is about right
    gain = level + rng.normal(0, 1, 7).cumsum() + loss * (5 - np.linspace(0, depth, 7))
    swings, turns = (0.08 * extent[1], 0.04 * depth, 0.04), rng.uniform(0.02, 0.06, 3)
    motion = np.c_[(0, 0, 0.04), swings, turns, rng.uniform(0, 1, 3)]
    tissue += bone
    return Anatomy(extent, tissue, vessels, nerve, beams, gain, range_db, (axial, lateral), motion, rng.uniform())


class _Canvas:
    """A frame being drawn: ``level`` of echo in dB, float32 ``(H, W)``; ``shine`` of reflectors and ``labels``, uint8.

    The probe stands ``shift`` mm aside, rises by ``tilt`` mm at the frame's edge and presses the depth by ``pressure``.
    """

    def __init__(self, shape: tuple[int, int], anatomy: Anatomy, index: int) -> None:
        self.level = np.full(shape, BLOOD_DB, np.float32)
        self.shine, self.labels = np.zeros((2, *shape), np.uint8)
        self.extent, self.spacing = anatomy.extent, anatomy.extent[0] / shape[0]
        middle, amplitude, turns, phase = anatomy.motion.T
        self.shift, self.tilt, self.pressure = middle + amplitude * np.sin(2 * np.pi * (turns * index + phase))

    def paint(self, drawing: Drawing, label: int = 0) -> None:
        """Draw shapes in their order; the first is an outline that goes into the mask if it has a label."""
        if label and isinstance(drawing[0], Region):
            cv2.fillPoly(self.labels, [self._pixels(drawing[0].outline)], label, shift=SUBPIXEL)
        for shape in drawing:
            if isinstance(shape, Region):
                outline = self._pixels(shape.outline)
                cv2.fillPoly(self.level, [outline], shape.level, shift=SUBPIXEL)
                cv2.fillPoly(self.shine, [outline], 0.0, shift=SUBPIXEL)
                continue
            line, thick = self._pixels(shape.line), max(1, round(shape.thickness / self.spacing))
            inner = line[len(line) // 8 : len(line) - len(line) // 8]  # the ends fade
            for part, shade in ((line, 0.3 * shape.brightness), (inner, shape.brightness)):
                cv2.polylines(self.shine, [part], False, 255 * shade, thick, cv2.LINE_AA, SUBPIXEL)

    def _pixels(self, points: Points) -> NDArray[np.int32]:
        x, y = points.T
        attached = np.minimum(y / (0.2 * self.extent[0]), 1)  # the skin stays at the probe
        rise = self.tilt * (2 * x / self.extent[1] - 1) * attached
        moved = np.stack((x + self.shift, y * (1 - self.pressure) + rise), axis=1) / self.spacing - 0.5
        return np.asarray(np.rint(moved * 2**SUBPIXEL), np.int32)


def _gain(canvas: _Canvas, anatomy: Anatomy) -> Plane:
    """Gain ``(H, W)`` in dB: TGC and attenuation, shadows and enhancement."""
    shape = canvas.level.shape
    y, x = ((np.arange(n) + 0.5) * length / n for n, length in zip(shape, anatomy.extent, strict=True))
    tgc = np.interp(y, np.linspace(0, anatomy.extent[0], len(anatomy.gain)), anatomy.gain)
    gain = np.tile(tgc[:, None], (1, shape[1]))
    for beam in anatomy.beams:
        inside = x - canvas.shift
        across = 0.5 * (np.tanh((inside - beam.left) / beam.soft) - np.tanh((inside - beam.right) / beam.soft))
        below = y - beam.top * (1 - canvas.pressure)
        fading = np.exp(-np.maximum(below, 0) / 6) if beam.db > 0 else 1.0
        gain += np.outer(beam.db * fading * (0.5 + 0.5 * np.tanh(below / 0.3)), across)
    return gain.astype(np.float32)


def _blur(plane: Plane, sigma: Pair, *, noise: bool = False) -> Plane:
    """Blur ``(H, W)`` by ``sigma`` pixels (row, column); white ``noise`` keeps its deviation instead of its mean."""
    kernels = [cv2.getGaussianKernel(2 * int(np.ceil(2.5 * s)) + 1, s) for s in (max(v, 0.4) for v in sigma)]
    rows, columns = (kernel / np.sqrt((kernel**2).sum()) if noise else kernel for kernel in kernels)
    return np.asarray(cv2.sepFilter2D(plane, cv2.CV_32F, columns, rows, borderType=cv2.BORDER_REFLECT), np.float32)


def _develop(canvas: _Canvas, anatomy: Anatomy, seed: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Speckle, reflectors, noise and log compression: uint8 ``(H, W)``; ``seed`` is seed, subject, frame."""
    pixel, shape = canvas.spacing, canvas.level.shape
    tissue, speckle = np.random.default_rng([*seed[:2], 1]), np.random.default_rng(seed)
    # fibres belong to the tissue, so they move with it; speckle is drawn anew
    grain = [_blur(tissue.standard_normal(shape, np.float32), (a / pixel, b / pixel), noise=True) for a, b in GRAIN_MM]
    move = np.array([[1, 0, canvas.shift / pixel], [0, 1 - canvas.pressure, 0]])
    fibres, clouds = (cv2.warpAffine(g, move, shape[::-1], borderMode=cv2.BORDER_REFLECT) for g in grain)
    level = _blur(canvas.level, (0.06 / pixel, 0.1 / pixel)) + 1.3 * fibres + 1.3 * clouds
    scatter = np.power(10, level / 20).astype(np.float32)
    sigma = (anatomy.spread[0] / pixel, anatomy.spread[1] / pixel)
    # four planes are two complex looks: scanners compound, so their speckle is weaker than Rayleigh's
    planes = (_blur(scatter * speckle.standard_normal(shape, np.float32), sigma, noise=True) for _ in range(4))
    power = sum((plane * plane for plane in planes), np.zeros(shape, np.float32)) / 4
    shine = _blur(canvas.shine.astype(np.float32), (0.65 * sigma[0], 0.8 * sigma[1])) / 255 * 10 ** (BRIGHTEST_DB / 20)
    shine = shine * np.clip(0.7 + 0.4 * clouds + 0.25 * fibres, 0.03, 1.5)
    gain = np.power(10, _gain(canvas, anatomy) / 10)
    echo = _blur(power + shine**2, (0.45, 0.6)) * gain + np.float32(10 ** (NOISE_DB / 10))
    grey = 255 * (1 + 10 * np.log10(echo) / anatomy.range_db)
    return np.asarray(np.rint(grey.clip(0, 255)), np.uint8)


def frame(config: PhantomConfig, subject: int, index: int) -> Sample:
    """Draw one frame with its exact mask; ``subject`` and ``index`` count from 0."""
    source = f"phantom:{subject}/{index}"
    if not (0 <= subject < config.subjects and 0 <= index < config.frames):
        raise IndexError(f"{source}: expected subject below {config.subjects} and frame below {config.frames}, from 0")
    anatomy = _anatomy(config.seed, subject, config.width / config.height)
    canvas = _Canvas((config.height, config.width), anatomy, index)
    canvas.paint(anatomy.tissue)
    for name, outline in anatomy.vessels.items():
        middle = outline.mean(0)
        pressed = middle + (outline - middle) * [1, 1 - SOFTNESS[name] * canvas.pressure]
        canvas.paint((Region(pressed, BLOOD_DB), *_wall(pressed, 0.35)), VESSEL if config.vessels else 0)
    # the probe slides over the nerve and off again; the step is irrational, so any share is met in the long run
    if (anatomy.presence + index * 0.0618034) % 1 >= config.empty:
        canvas.paint(anatomy.nerve, NERVE)
    pixels = _develop(canvas, anatomy, (config.seed, subject, 2 + index))
    drawn = Frame(pixels, spacing_mm=(canvas.spacing, canvas.spacing), source=source)
    return Sample(drawn, canvas.labels, subject=str(subject + 1), video=str(subject + 1), index=index)


def samples(config: PhantomConfig) -> Iterator[Sample]:
    """Draw all frames, subject by subject."""
    return (frame(config, subject, index) for subject in range(config.subjects) for index in range(config.frames))


def write(config: PhantomConfig, folder: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write images, masks, manifest and class names to ``folder``, all or nothing; calls ``progress(done, total)``."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder; name a new folder or remove this one first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # built beside the folder: a rename is whole only within one file system
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        built = Path(scratch) / "phantom"
        built.mkdir()
        with (built / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            manifest = csv.writer(file)
            manifest.writerow(["image", "mask", "subject", "video", "frame", "boxes_xywh", "spacing"])
            for done, sample in enumerate(samples(config), 1):
                manifest.writerow(_save(sample, built))
                if progress is not None:
                    progress(done, config.subjects * config.frames)
        (built / "classes.txt").write_text("nerve\nvessel\n" if config.vessels else "nerve\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        built.rename(folder)
    return folder


def _save(sample: Sample, folder: Path) -> list[str]:
    """Write one image and its mask, and return their row of the manifest."""
    name, labels, spacing = f"{sample.subject}_{sample.index}.png", sample.labels, sample.frame.spacing_mm
    assert labels is not None and spacing is not None
    for part, pixels in (("images", sample.frame.pixels), ("masks", labels)):
        (folder / part).mkdir(exist_ok=True)
        encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]  # speckle hardly shrinks
        (folder / part / name).write_bytes(encoded.tobytes())
    box = measure(labels == NERVE, "nerve").box
    place = [f"images/{name}", f"masks/{name}", str(sample.subject), str(sample.video), str(sample.index)]
    return [*place, json.dumps([] if box is None else [box]), f"{spacing[0]:.6f},{spacing[1]:.6f}"]
