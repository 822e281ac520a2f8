"""A moment of a stream drawn for a person who watches: outlines, numbers, areas, time and presence."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..overlay import colour, overlay
from .stream import Moment
from .tracking import Region

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (255, 255, 255)
LETTERS = 30  # lines of text that would fill a frame
EDGE = ((-1, -1), (1, -1), (-1, 1), (1, 1))  # pixels by which the dark letters below the bright ones are moved
LEAST_NAMED = 1e-3  # of the frame: a smaller region is outlined, and its name would cover more than it


def draw(moment: Moment) -> NDArray[np.uint8]:
    """The frame RGB ``(H, W, 3)`` with its regions outlined, all but specks named, and time and presence below."""
    segmentation = moment.segmentation
    drawn = overlay(segmentation.frame.pixels, segmentation.labels)
    size = max(0.35, drawn.shape[0] / LETTERS / 22)
    for region in moment.regions:
        assert region.measured.box is not None
        if region.measured.area_px < LEAST_NAMED * segmentation.labels.size:
            continue
        left, top, _, _ = region.measured.box
        _write(drawn, _told(region), (left, top - 4), size, colour(region.label))
    line = f"{moment.time_s:7.2f} s  presence {segmentation.presence:.2f}"
    _write(drawn, line, (6, drawn.shape[0] - 8), size, WHITE)
    return drawn


def _told(region: Region) -> str:
    measured = region.measured
    area = f"{measured.area_px} px" if measured.area_mm2 is None else f"{measured.area_mm2:.0f} mm2"
    return f"{measured.name} {region.track}: {area}"


def _write(
    drawn: NDArray[np.uint8], text: str, place: tuple[int, int], size: float, tone: tuple[int, int, int]
) -> None:
    """Put the text at its lower left corner, moved into the picture, with a dark edge that is seen on bright tissue."""
    thickness = max(1, round(1.5 * size))
    (width, height), _ = cv2.getTextSize(text, FONT, size, thickness)
    x = max(2, min(place[0], drawn.shape[1] - width - 2))
    y = max(height + 2, min(place[1], drawn.shape[0] - 4))
    for right, down in EDGE:  # and not once in thicker letters: those are wider in OpenCV 5
        cv2.putText(drawn, text, (x + right, y + down), FONT, size, (0, 0, 0), thickness, cv2.LINE_AA)
    cv2.putText(drawn, text, (x, y), FONT, size, tone, thickness, cv2.LINE_AA)
