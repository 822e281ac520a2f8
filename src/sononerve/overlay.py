"""A segmentation drawn over its frame: outlines in one colour per class, so that the tissue stays visible."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

ByteArray = NDArray[np.uint8]

COLOURS = ((255, 176, 0), (100, 143, 255), (220, 38, 127), (120, 94, 240), (254, 97, 0))
"""RGB per class, distinguishable with colour-blindness (IBM's palette)."""

NAMES = ("orange", "blue", "magenta", "violet", "red")
"""What the colours are called."""


def colour(label: int) -> tuple[int, int, int]:
    """The colour of label 1, 2, ...; it repeats after five."""
    return COLOURS[(label - 1) % len(COLOURS)]


def overlay(pixels: ByteArray, labels: ByteArray, fill: float = 0.2) -> ByteArray:
    """Draw labels ``(H, W)`` on a frame ``(H, W)``: RGB ``(H, W, 3)``; ``fill`` tints the inside by that share."""
    drawn = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    thickness = max(1, round(max(pixels.shape) / 400))
    for label in range(1, int(labels.max(initial=0)) + 1):
        inside = (labels == label).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(inside)
        window = slice(top, top + height), slice(left, left + width)
        seen, within = drawn[window], inside[window] > 0
        seen[within] = np.rint((1 - fill) * seen[within] + fill * np.array(colour(label))).astype(np.uint8)
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, colour(label), thickness)
    return drawn


def address(pixels: ByteArray) -> str:
    """A picture RGB ``(H, W, 3)`` as a ``data:`` address, which needs no file."""
    _, content = cv2.imencode(".png", pixels[..., ::-1])
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode("ascii")
