"""Weights that others trained on colour pictures, for encoders of grey frames."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def take_over(encoder: nn.Module, tensors: Mapping[str, Tensor], first: str, of: str) -> None:
    """Give an encoder the tensors of the same names; others are left.

    The kernel ``first`` is summed over red, green and blue: so a grey frame is answered as a picture with three equal
    channels would be. Raises `ValueError` where one of network ``of`` is missing or has another shape.
    """
    fitting: dict[str, Tensor] = {}
    for name, own in encoder.state_dict().items():
        if name not in tensors:
            raise ValueError(f"holds no {name}; expected the weights of {of}")
        told = tensors[name].float() if own.is_floating_point() else tensors[name]
        if name == first and told.ndim == own.ndim:
            told = told.sum(1, keepdim=True)
        if told.shape != own.shape:
            raise ValueError(f"{name} is {tuple(told.shape)}; expected {tuple(own.shape)}, as in {of}")
        fitting[name] = told
    encoder.load_state_dict(fitting)
