"""What lies over a frame on a page: the frame itself and maps as small pictures, masks as outlines in SVG."""

from __future__ import annotations

import base64
import io
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...overlay import colour
from . import figures
from .maps import veil

LONGEST = 512  # pixels of a frame as it is shown
LONGEST_MAP = 160  # of a map, which is smooth
QUALITY, QUALITY_MAP = 75, 50  # of WebP, 0..100
MISSED, ADDED = ("#{:02x}{:02x}{:02x}".format(*tone) for tone in (figures.MISSED, figures.ADDED))
SIMPLER = 0.6  # pixels that an outline may be off, for a file half as large
EXACT = 0.2  # so that a strip of one pixel stays one

Mask = NDArray[np.bool_]


def picture(pixels: NDArray[np.uint8], alt: str) -> str:
    """The frame ``(H, W)`` as an ``img`` element, at most 512 pixels long."""
    return _image(Image.fromarray(pixels), LONGEST, QUALITY, "frame", alt)


def heat(values: NDArray[np.float32], kind: str, full: float = 1.0) -> str:
    """A map ``(H, W)`` of 0 to ``full`` as a layer of colours that let the tissue through where it is low."""
    colours = np.asarray(veil()((values / full).clip(0, 1)) * 255, np.uint8)
    return _image(Image.fromarray(colours), LONGEST_MAP, QUALITY_MAP, f"heat {kind}", "")


def _image(image: Image.Image, longest: int, quality: int, kind: str, alt: str) -> str:
    scale = min(1.0, longest / max(image.size))
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
    )
    content = io.BytesIO()
    small.save(content, format="WEBP", quality=quality, alpha_quality=quality, method=4)
    address = "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode("ascii")
    return f'<img class="{kind}" src="{address}" alt="{escape(alt)}" width="{image.width}" height="{image.height}">'


def outlines(labels: NDArray[np.uint8], classes: int, kind: str, hidden: bool = False) -> str:
    """Labels ``(H, W)`` as a layer of outlines, one colour per class; ``hidden``: until it is asked for."""
    paths = []
    for label in range(1, classes + 1):
        path = outline(labels == label)
        if path:
            tone = "#{:02x}{:02x}{:02x}".format(*colour(label))
            paths.append(f'<path d="{path}" stroke="{tone}" fill="{tone}"/>')
    return _layer(labels.shape, paths, kind, hidden)


def difference(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], classes: int, kind: str, hidden: bool = False
) -> str:
    """A layer of what was missed and what was marked too much, of all classes."""
    paths = []
    for label in range(1, classes + 1):
        true, found = truth == label, predicted == label
        for name, mask, tone in (("missed", true & ~found, MISSED), ("added", found & ~true, ADDED)):
            path = outline(mask, EXACT)
            if path:
                paths.append(f'<path class="{name}" d="{path}" fill="{tone}" stroke="{tone}"/>')
    return _layer(truth.shape, paths, kind, hidden)


def _layer(shape: tuple[int, ...], paths: list[str], kind: str, hidden: bool) -> str:
    (height, width), drawn = shape, "".join(paths)
    return f'<svg class="{kind}"{" hidden" * hidden} viewBox="0 0 {width} {height}" aria-hidden="true">{drawn}</svg>'


def outline(mask: Mask, simpler: float = SIMPLER) -> str:
    """The border of a mask ``(H, W)`` as the ``d`` of an SVG path, holes included; "" for an empty one.

    It runs a quarter of a pixel inside of the mask, and is off by at most ``simpler`` pixels.

    >>> outline(np.ones((1, 2), bool))
    'M0 0H2V1H0Z'
    """
    if not mask.any():
        return ""
    if mask.all():
        height, width = mask.shape
        return f"M0 0H{width}V{height}H0Z"
    twice = np.kron(np.pad(mask, 1), np.ones((2, 2))).astype(np.uint8)  # a pixel has an inside, and a border around it
    contours, _ = cv2.findContours(twice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, 2 * simpler, closed=True)[:, 0] / 2 - 0.75
        parts.append("M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in points) + "Z")
    return "".join(parts)
