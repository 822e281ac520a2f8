"""What is known of a frame beside its mask: which of it a layout can hold, and the one key that carries it in JSON.

The key is ``sononerve``, an object with the columns of the manifest: ``subject``, ``video``, ``frame``, ``spacing``,
``annotator``, ``boxes_xywh``. Other programs leave it alone or drop it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InputError
from ...frame import Sample
from .record import Box

Fact = Literal[
    "subject", "subject by name", "video", "frame number", "time", "spacing", "boxes", "annotator", "further classes"
]
ALL: frozenset[Fact] = frozenset(
    ("subject", "subject by name", "video", "frame number", "spacing", "boxes", "annotator", "further classes")
)
"""What the layouts that carry the key hold, and the manifest; ``time`` has no place yet."""

Millimetres = Annotated[float, Field(gt=0, lt=100)]
Coordinate = Annotated[float, Field(gt=-1e6, lt=1e6)]
Side = Annotated[float, Field(gt=0, lt=1e6)]


class Known(TypedDict):
    """The fields of a `Record` that `Facts` fills."""

    subject: str | None
    video: str | None
    index: int | None
    spacing_mm: tuple[float, float] | None
    annotator: str | None
    boxes: tuple[Box, ...] | None


class Facts(BaseModel):
    """The object below the key ``sononerve``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str | None = None
    video: str | None = None
    frame: int | None = Field(default=None, ge=0)
    spacing: tuple[Millimetres, Millimetres] | None = None
    annotator: str | None = None
    boxes_xywh: tuple[tuple[Coordinate, Coordinate, Side, Side], ...] | None = None

    @classmethod
    def of(cls, sample: Sample) -> Facts:
        """What is known of a sample; raise `InputError` where it is nothing that could be read again."""
        boxes = None if sample.boxes is None else [[float(v) for v in box] for box in sample.boxes]
        told = {
            "subject": sample.subject,
            "video": sample.video,
            "frame": sample.index,
            "spacing": sample.frame.spacing_mm,
            "annotator": sample.annotator,
            "boxes_xywh": boxes,
        }
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"])
            raise InputError(f"{sample.frame.source}: {place}: {fault['msg']}, found {fault['input']}") from error

    def known(self) -> Known:
        """As the fields of a `Record`."""
        return {
            "subject": self.subject,
            "video": self.video,
            "index": self.frame,
            "spacing_mm": self.spacing,
            "annotator": self.annotator,
            "boxes": self.boxes_xywh,
        }

    def key(self) -> dict[str, object]:
        """``{"sononerve": {...}}`` with what is known; empty where nothing is."""
        told = self.model_dump(mode="json", exclude_none=True)
        return {"sononerve": told} if told else {}


def facts(sample: Sample) -> Iterator[Fact]:
    """Name what is known of a sample."""
    if sample.subject is not None:
        yield "subject"
        if not is_number(sample.subject):
            yield "subject by name"
    if sample.video is not None:
        yield "video"
    if sample.index is not None:
        yield "frame number"
    if sample.frame.time_s is not None:
        yield "time"
    if sample.frame.spacing_mm is not None:
        yield "spacing"
    if sample.boxes is not None:
        yield "boxes"
    if sample.annotator is not None:
        yield "annotator"
    if sample.labels is not None and (sample.labels > 1).any():
        yield "further classes"


def is_number(subject: str) -> bool:
    """Whether a subject is called by a number, written as numbers are.

    >>> is_number("7"), is_number("007"), is_number("P7")
    (True, False, False)
    """
    return subject.isascii() and subject.isdecimal() and str(int(subject[:18])) == subject
