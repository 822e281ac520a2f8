"""What a knob is: a number or a range with limits, a unit and a sentence, all in one place."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

Range = tuple[float, float]
"""Lowest and highest value; what is drawn lies evenly between. One number stands for both."""

Value = TypeVar("Value", float, int, Range)


def knob(default: Value, low: float, high: float, unit: str, meaning: str) -> Value:
    """A field of `Knobs`: its default, the limits it must keep, its unit ("" for none) and what it does."""
    field: Value = Field(default, description=meaning, json_schema_extra={"limits": [low, high], "unit": unit})
    return field


def limits(field: FieldInfo) -> Range:
    """The lowest and the highest value that a knob may have."""
    extra = field.json_schema_extra
    low, high = extra["limits"] if isinstance(extra, dict) and isinstance(extra["limits"], list) else (0.0, 0.0)
    return float(str(low)), float(str(high))


class Knobs(BaseModel):
    """A group of knobs; a value outside of a knob's limits, or a range from high to low, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _number_as_range(cls, value: object, info: ValidationInfo) -> object:
        alone = isinstance(value, (int, float)) and not isinstance(value, bool)
        return (value, value) if alone and isinstance(cls._default(info), tuple) else value

    @field_validator("*", mode="after")
    @classmethod
    def _within_limits(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) or not isinstance(value, (int, float, tuple)):
            return value
        low, high = limits(cls.model_fields[str(info.field_name)])
        pair = value if isinstance(value, tuple) else (value, value)
        if not low <= pair[0] <= pair[1] <= high:
            expected = "two numbers, the lower first," if isinstance(value, tuple) else "a number"
            raise ValueError(f"expected {expected} within {low:g} to {high:g}")
        return value

    @classmethod
    def _default(cls, info: ValidationInfo) -> object:
        return cls.model_fields[str(info.field_name)].default
