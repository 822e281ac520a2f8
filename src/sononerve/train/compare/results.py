"""What one finished training of a comparison is kept as: a JSON of some kilobytes, frames included."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import InputError
from ...evaluate.scores import FrameResult
from ...io.atomic import write_text
from ...models import Setting

DIGITS = 5


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Part):
    """Where it was trained."""

    cpu_count: int
    threads: int
    accelerator: str
    precision: str


class Planned(_Part):
    """What was planned; ``step_s`` in seconds then, canvas in pixels; ``network``: settings beside the usual ones."""

    steps: int
    step_s: float
    batch: int
    height: int
    width: int
    strength: float
    parameters: int
    network: dict[str, Setting] = {}


class Trained(_Part):
    """What the training took.

    ``steps`` and ``steps_s``: those that were made, and their time with looks and saving, also over stops. ``cores``:
    used meanwhile, in the mean. ``wall_s``, ``cpu_s``, ``peak_bytes``: of all its ``processes``, from start to score.
    """

    steps: int
    steps_s: float
    cores: float
    processes: int
    wall_s: float
    cpu_s: float
    peak_bytes: int | None


class Looked(_Part):
    """A look at the tune part: the mean Dice of each class over its frames that hold it, nan where none does."""

    step: int
    dice: dict[str, float]


class Predicted(_Part):
    """What prediction takes: median milliseconds of a frame, peak bytes of ``sononerve predict`` on one frame."""

    latency_ms: float
    frames: int
    threads: int
    peak_bytes: int | None


class Result(_Part):
    """One finished training: what it was, what it took, and the scores of every frame of its test part."""

    sononerve: str
    label: str
    model: str
    settings: dict[str, object]
    fold: int
    seed: int
    data: str
    split: str
    classes: tuple[str, ...]
    truth: str
    unit: str
    warnings: tuple[str, ...]
    machine: Machine
    plan: Planned
    training: Trained
    prediction: Predicted
    curve: tuple[Looked, ...] = ()
    frames: tuple[FrameResult, ...]

    def write(self, path: Path) -> None:
        """Write as JSON, a line per frame, numbers to five digits, whole or not at all."""
        told = _rounded(self.model_dump(mode="json", exclude_defaults=True))
        assert isinstance(told, dict)
        frames = ",\n".join(f"  {json.dumps(frame)}" for frame in told.pop("frames"))
        write_text(path, f'{json.dumps(told, indent=1)[:-2]},\n "frames": [\n{frames}\n ]\n}}\n')

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read what `write` wrote; raise `InputError` for anything else."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(
                f"{path}: not a result of a comparison ({str(error).splitlines()[0]}); delete it and resume"
            ) from error


def _rounded(node: object) -> object:
    if isinstance(node, float):
        return float(f"{node:.{DIGITS}g}")
    if isinstance(node, dict):
        return {key: _rounded(value) for key, value in node.items()}
    return [_rounded(value) for value in node] if isinstance(node, list) else node
