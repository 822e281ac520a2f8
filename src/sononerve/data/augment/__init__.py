"""Random variation of frames, masks and boxes for training: drawn once, applied alike, printable, each switchable.

OpenCV and NumPy rather than torch: on two cores one frame of 256 x 256 takes a millisecond, and workers need no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .geometry import Affine, Crop, Elastic, Flip, FlipVertical, Rotate, Scale, Shear, Shift, Warp
from .intensity import Attenuation, Blur, Gain, Gamma, Intensity, Jpeg, Shadow, Speckle
from .operation import Operation, Params

Drawn = dict[str, Params]
"""What was drawn for one frame: the operations that happen, by name, each with its numbers."""

__all__ = ["Augment", "Drawn", "Operation", "Params", "Warp"]


class Augment(BaseModel):
    """Every random operation with its probability and range; ``p: 0`` switches one off.

    >>> augment = Augment()
    >>> drawn = augment.draw(np.random.default_rng(0))
    >>> pixels = augment.frame(np.zeros((64, 96), np.uint8), drawn)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Flip = Flip()
    flip_vertical: FlipVertical = FlipVertical()
    rotate: Rotate = Rotate()
    scale: Scale = Scale()
    shear: Shear = Shear()
    shift: Shift = Shift()
    crop: Crop = Crop()
    elastic: Elastic = Elastic()
    gamma: Gamma = Gamma()
    gain: Gain = Gain()
    attenuation: Attenuation = Attenuation()
    shadow: Shadow = Shadow()
    speckle: Speckle = Speckle()
    blur: Blur = Blur()
    jpeg: Jpeg = Jpeg()

    @classmethod
    def off(cls) -> Augment:
        """No operation at all."""
        return cls.only()

    @classmethod
    def only(cls, *names: str) -> Augment:
        """Only the named operations, always: for pictures and tests."""
        return cls.model_validate({name: {"p": float(name in names)} for name in cls.model_fields})

    def scaled(self, strength: float) -> Augment:
        """The same operations, ``strength`` times as often, but for mirroring: a picture or its mirror image."""
        return Augment.model_validate(
            {
                name: op if isinstance(op, Flip) else op.model_copy(update={"p": min(1.0, op.p * strength)})
                for name, op in self.operations().items()
            }
        )

    def operations(self) -> dict[str, Operation]:
        """The operations by name, in the order they are applied."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Decide which operations happen to one frame, and with which numbers."""
        return {name: op.draw(rng) for name, op in self.operations().items() if rng.random() < op.p}

    def warp(self, drawn: Drawn, shape: tuple[int, int]) -> Warp:
        """The drawn geometry for a canvas of ``shape`` (H, W)."""
        matrix, field = np.eye(3), None
        for name, op in self.operations().items():
            if name not in drawn:
                continue
            if isinstance(op, Affine):
                matrix = matrix @ op.matrix(drawn[name], shape)
            elif isinstance(op, Elastic):
                field = op.field(drawn[name], shape)
        return Warp(matrix, field, shape)

    def frame(self, pixels: NDArray[np.uint8], drawn: Drawn) -> NDArray[np.uint8]:
        """Apply what was drawn, geometry and brightness, to a frame ``(H, W)``."""
        varied = self.warp(drawn, pixels.shape).frame(pixels).astype(np.float32)
        for name, op in self.operations().items():
            if name in drawn and isinstance(op, Intensity):
                varied = op.apply(varied, drawn[name])
        return np.asarray(np.rint(varied.clip(0, 255)), np.uint8)

    def mask(self, labels: NDArray[np.uint8], drawn: Drawn) -> NDArray[np.uint8]:
        """Apply the drawn geometry to a label map ``(H, W)``."""
        return self.warp(drawn, labels.shape).mask(labels)

    def maps(self, probabilities: NDArray[np.float32], drawn: Drawn) -> NDArray[np.float32]:
        """Apply the drawn geometry to maps of probabilities ``(C, H, W)``."""
        return self.warp(drawn, (probabilities.shape[1], probabilities.shape[2])).maps(probabilities)

    def boxes(self, boxes: NDArray[np.float32], drawn: Drawn, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Apply the drawn geometry to boxes ``(n, 4)`` xyxy in pixels of a canvas of ``shape``."""
        return self.warp(drawn, shape).boxes(boxes)
