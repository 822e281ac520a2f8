"""Which patches of a frame hold real class maps: PatchGAN of Isola et al., 2017 (arXiv:1611.07004)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

MOST_WIDER = 8  # times the first layer's channels


@dataclass
class Judgement:
    """``scores`` ``(N, 1, h, w)``, one a patch, high where it looks real; ``features``: of each layer, finest first."""

    scores: Float[Tensor, "n 1 h w"]
    features: tuple[Float[Tensor, "n _c _h _w"], ...]


class Discriminator(nn.Module):
    """Judges frames together with class maps, background included, patch by patch.

    ``layers`` convolutions of 4 x 4 with stride 2, ``width`` channels and twice as many in each next layer, then two
    of 3 x 3: with three layers a score sees 54 x 54 pixels. Every weight has a largest singular value of 1 (Miyato et
    al., 2018, arXiv:1802.05957), and there is no other normalisation. It computes in 32 bit under autocast too, for
    that value is found by steps that half precision would spoil.

    Its parameters want no gradient until they are told to: a generator's gradient passes through and leaves none.

    >>> Discriminator(classes=1, width=8)(torch.zeros(2, 1, 64, 64), torch.zeros(2, 2, 64, 64)).scores.shape
    torch.Size([2, 1, 8, 8])
    """

    def __init__(self, classes: int, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        self.settings = (classes, width, layers)
        widths = [classes + 2, *(width * min(2**layer, MOST_WIDER) for layer in range(layers))]
        shrinking = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)]
        convolutions = [*shrinking, nn.Conv2d(widths[-1], widths[-1], 3, padding=1)]
        self.layers = nn.ModuleList(nn.Sequential(spectral_norm(c), nn.LeakyReLU(0.2)) for c in convolutions)
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))
        self.requires_grad_(False)

    def forward(self, frames: Float[Tensor, "n 1 h w"], maps: Float[Tensor, "n k h w"]) -> Judgement:
        """Judge class maps ``(N, C + 1, H, W)`` in 0..1, the background first, of normalised frames."""
        with torch.autocast(frames.device.type, enabled=False):
            features = [torch.cat([frames.float(), 2 * maps.float() - 1], dim=1)]
            for layer in self.layers:
                features.append(layer(features[-1]))
            return Judgement(self.score(features[-1]), tuple(features[1:]))

    def __reduce__(self) -> tuple[object, ...]:
        """PyTorch refuses to send a normalised layer to another process; settings and tensors can be sent."""
        return _again, (self.settings, self.state_dict())


def _again(settings: tuple[int, int, int], state: dict[str, Tensor]) -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        discriminator = Discriminator(*settings)
    discriminator.load_state_dict(state)
    return discriminator.to(next(iter(state.values())).device)
