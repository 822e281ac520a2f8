"""One frame from its numbers: anatomy, pose, drawing, echo, grey and mask.

Every random stream is seeded by what it belongs to (subject, machine, video or frame), so a frame does not depend on
how many frames are asked for, or in which order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...frame import Frame, Sample, measure
from .anatomy import Anatomy, draw_anatomy
from .canvas import Canvas, Plane, stamp
from .config import PhantomConfig
from .echo import CLOUD_MM, Sound, clouds, draw_sound, envelope, moving_scatterers, sample
from .machine import Machine, contact_db, develop, draw_machine
from .motion import View, draw_motion, pose_at, time_of
from .needle import fluid_group, needle_group
from .nerve import NERVE
from .shapes import Group, Region, Strands
from .vessels import BLOOD_DB, BLOOD_LOSS, VESSEL, Vessel

MACHINE, MOTION, HISS, NEEDLE = 10, 11, 12, 13
CLOUDS_ON_LINES = 1.5  # how much more reflectors vary than scatterers, in decibels


@dataclass(frozen=True)
class Setting:
    """What the frames of one subject share besides the anatomy."""

    sound: Sound
    machine: Machine


@lru_cache(maxsize=2)
def draw_setting(config: PhantomConfig, subject: int) -> Setting:
    """The machine that subject number ``subject`` was seen with."""
    number = subject % config.machines if config.machines else subject
    rng = np.random.default_rng([config.seed, number, MACHINE])
    return Setting(draw_sound(rng, config.echo, draw_anatomy(config, subject).depth), draw_machine(rng, config.look))


def view_of(config: PhantomConfig, anatomy: Anatomy, subject: int, video: int, index: int) -> View:
    """Where the probe is: spacing is square, and footprint and depth fit into the frame."""
    spacing = max(anatomy.depth / config.height, anatomy.footprint / config.width)
    rows = min(config.height, max(round(anatomy.depth / spacing), 1))
    columns = min(config.width, max(round(anatomy.footprint / spacing), 1))
    motion = draw_motion(np.random.default_rng([config.seed, subject, video, MOTION]), config.probe)
    pose = pose_at(config, motion, time_of(config, index), anatomy.footprint, anatomy.half)
    return View(rows, columns, spacing, pose, anatomy.waves)


def draw(config: PhantomConfig, anatomy: Anatomy, view: View, time_s: float) -> Canvas:
    """Draw all shapes in their order."""
    canvas = Canvas(view)
    for group in anatomy.ground:
        canvas.paint(group)
    for vessel in anatomy.vessels:
        canvas.paint(_vessel(config, vessel, view))
    if anatomy.puncture is not None:
        canvas.paint(fluid_group(anatomy.puncture))
    for group in anatomy.nerves.groups:
        canvas.paint(group)
    if anatomy.puncture is not None:
        back = 4.0 * abs(np.sin(2 * np.pi * time_s / (0.9 * config.probe.sweep_s)))
        rng = np.random.default_rng([config.seed, 0, 0, 0, NEEDLE])
        canvas.paint(needle_group(rng, anatomy.puncture, config.needle.reverberation, float(back)))
    return canvas


def _vessel(config: PhantomConfig, vessel: Vessel, view: View) -> Group:
    outline = vessel.at(view.pose.pressure, view.pose.pulse, config.blood.softness)
    ring = np.r_[outline, outline[:1]]
    old = vessel.wall
    wall = Strands(np.stack((ring[:-1], ring[1:]), axis=1), old.shine, old.thick, old.place, old.reach)
    label = VESSEL if config.vessels else 0
    return Group((Region(outline, BLOOD_DB, BLOOD_LOSS, label=label),), wall)


def echoes(config: PhantomConfig, subject: int, index: int, video: int = 0) -> tuple[Plane, Canvas]:
    """The envelope of a frame before compression ``(rows, columns)``, 1 the brightest echo, and what was drawn.

    It has no margins: ``rows`` and ``columns`` are those of the picture in the frame.
    """
    anatomy, setting = draw_anatomy(config, subject), draw_setting(config, subject)
    view = view_of(config, anatomy, subject, video, index)
    canvas = draw(config, anatomy, view, time_of(config, index))
    level, loss, shine = canvas.planes()
    at = view.tissue()
    texture = sample(clouds((config.seed, subject)), at, CLOUD_MM) * np.float32(setting.sound.clouds_db)
    level += texture[..., 0] + texture[..., 1]
    shine *= np.power(10, CLOUDS_ON_LINES * (texture[..., 0] + texture[..., 1]) / 20).clip(0.1, 2.0)
    looks = range(setting.sound.looks)
    noises = [
        moving_scatterers((config.seed, subject, video, look), at, view.spacing, view.pose.along) for look in looks
    ]
    rng = np.random.default_rng([config.seed, subject, video, index, HISS])
    found = envelope(level, loss, shine, noises, rng, view.spacing, setting.sound)
    contact = contact_db(
        np.random.default_rng([config.seed, subject, video, MOTION, 1]), view.columns, config.probe.contact
    )
    return np.asarray(found * np.power(10, -contact / 20)[None], np.float32), canvas


def frame(config: PhantomConfig, subject: int, index: int, video: int = 0) -> Sample:
    """Draw one frame with its exact mask; ``subject``, ``index`` and ``video`` count from 0."""
    source = f"phantom:{subject}/{index}" if config.videos == 1 else f"phantom:{subject}/{video}/{index}"
    if not (0 <= subject < config.subjects and 0 <= index < config.frames and 0 <= video < config.videos):
        raise IndexError(
            f"{source}: expected subject below {config.subjects}, video below {config.videos} and frame below "
            f"{config.frames}, from 0"
        )
    found, canvas = echoes(config, subject, index, video)
    machine = draw_setting(config, subject).machine
    pixels, labels = np.zeros((2, config.height, config.width), np.uint8)
    rows, columns = found.shape
    top, left = round(machine.place * (config.height - rows)), (config.width - columns) // 2
    part = slice(top, top + rows), slice(left, left + columns)
    pixels[part], labels[part] = develop(found, canvas.view.spacing, machine), canvas.labels
    spacing = canvas.view.spacing
    time_s = time_of(config, index) if config.video else None
    drawn = Frame(pixels, spacing_mm=(spacing, spacing), time_s=time_s, source=source)
    name = str(subject + 1) if config.videos == 1 else f"{subject + 1}_{video + 1}"
    boxes = _boxes(canvas, (left, top))
    return Sample(drawn, labels, subject=str(subject + 1), video=name, index=index, boxes=boxes)


def _boxes(canvas: Canvas, corner: tuple[int, int]) -> NDArray[np.float32]:
    """A box ``(n, 4)`` as x, y, width, height for each nerve that is seen."""
    found = []
    for region in canvas.regions:
        if region.label != NERVE:
            continue
        alone = np.zeros_like(canvas.labels)
        stamp(alone, canvas.view.pixels(region.outline), NERVE)
        box = measure((alone == NERVE) & (canvas.labels == NERVE), "nerve").box
        if box is not None:
            found.append((box[0] + corner[0], box[1] + corner[1], box[2], box[3]))
    return np.asarray(found, np.float32).reshape(-1, 4)
