"""What a machine burned into the picture: lines of text, callipers, colour Doppler. Nothing is read, only found.

Text and callipers are looked for in the ink: how bright a pixel is, and how colourful beyond the tint of the grey map.
Doppler is colour in solid patches. Where a frame was stored without its colours, Doppler cannot be told from tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..layouts.record import Box
from .callipers import dotted_lines, find_marks
from .text import find_lines

TINT = 40  # grey levels between the channels that a tinted grey map may have once its cast is taken off
FLOW = 20  # grey levels of colour, beyond the tint, that slow flow has
SOLID = 7  # pixels: flow is wider than this both ways, strokes of coloured letters are not
SMALLEST_FLOW = 0.001  # of the frame; less is a coloured mark

Plane = NDArray[np.uint16]


@dataclass(frozen=True)
class Overlays:
    """What a machine drew over the echoes; boxes are x, y, width, height in pixels.

    ``text``: lines of text, one box each; a long line may come in several. ``callipers``: measuring marks, + and x,
    and the dotted line between two of them where it is found. ``doppler``: box around all colour-flow pixels, None
    where there are none.
    """

    text: tuple[Box, ...]
    callipers: tuple[Box, ...]
    doppler: Box | None


def find_overlays(pixels: NDArray[np.uint8]) -> Overlays:
    """Find what was burned into a frame, RGB ``(H, W, 3)`` or gray ``(H, W)``.

    Found are fonts from 9 px on, marks from 7 px on, and flow from 0.3 % of the frame on; how surely is in
    ``benchmarks/results/overlay_detection.json``.
    """
    brightness, colour = _brightness_and_colour(pixels)
    ink = brightness + colour
    marks = find_marks(ink)
    lines = find_lines(ink, tuple(mark.box for mark in marks))
    marks = tuple(mark for mark in marks if not any(_overlap(mark.box, line) for line in lines))
    callipers = tuple(mark.box for mark in marks) + dotted_lines(ink, marks)
    return Overlays(lines, callipers, _flow(pixels, colour))


def _brightness_and_colour(pixels: NDArray[np.uint8]) -> tuple[Plane, Plane]:
    """Brightest channel, and how far the channels are apart beyond a grey map's tint; ``(H, W)`` each."""
    if pixels.ndim == 2:
        return pixels.astype(np.uint16), np.zeros(pixels.shape, np.uint16)
    red, green, blue = cv2.split(_without_cast(pixels))
    brightest = cv2.max(cv2.max(red, green), blue)
    apart = cv2.subtract(brightest, cv2.min(cv2.min(red, green), blue))
    return brightest.astype(np.uint16), np.maximum(apart, TINT).astype(np.uint16) - np.uint16(TINT)


def _without_cast(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame with the colour cast of its grey map taken off, which is that of its middle lit pixel."""
    some = pixels[::8, ::8].reshape(-1, 3).astype(np.float32)
    lit = some[some.max(1) > TINT]
    if not len(lit):
        return pixels
    cast = np.median(lit / lit.max(1, keepdims=True), axis=0)
    if (cast > 0.99).all() or (cast < 0.3).any():  # gray, or flow all over
        return pixels
    table = np.clip(np.arange(256)[:, None] / cast, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table.reshape(1, 256, 3)), np.uint8)


def _flow(pixels: NDArray[np.uint8], colour: Plane) -> Box | None:
    """Box around solid patches of red, orange or blue; letters in yellow, cyan and green have more green than those."""
    if not (colour > FLOW).any():
        return None
    green, other = pixels[..., 1].astype(np.uint16), cv2.max(pixels[..., 0], pixels[..., 2]).astype(np.uint16)
    flow = ((colour > FLOW) & (4 * green < 3 * other)).astype(np.uint8)
    solid = cv2.morphologyEx(flow, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SOLID, SOLID)))
    if cv2.countNonZero(solid) < SMALLEST_FLOW * solid.size:
        return None
    x, y, width, height = cv2.boundingRect(solid)
    return float(x), float(y), float(width), float(height)


def _overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )
