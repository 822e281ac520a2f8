"""nnU-Net's 2D network (Isensee et al., 2021, doi:10.1038/s41592-020-01008-z), built by MONAI's DynUNet."""

from __future__ import annotations

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..architecture import Architecture
from ..norm import own_instance_norms
from ..output import Output, SegmentationModel


class NNUNetConfig(BaseModel):
    """Settings of an `NNUNet`.

    ``stages``: levels; nnU-Net plans 7 for frames of 256 x 256 and 8 for 512 x 640. ``width``: channels of the first,
    doubled per level up to ``widest``. ``deep_supervision``: whether coarser levels also predict, for the loss in
    training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: int = Field(default=7, ge=3, le=9)
    width: int = Field(default=32, ge=1, le=512)
    widest: int = Field(default=512, ge=1)
    deep_supervision: bool = True

    def widths(self) -> list[int]:
        """Channels of each level, finest first."""
        return [min(self.width * 2**stage, self.widest) for stage in range(self.stages)]


class NNUNet(SegmentationModel):
    """nnU-Net's 2D network.

    As in the plans and the class PlainConvUNet of nnU-Net 2.8: per level two 3 x 3 convolutions, each followed by
    instance normalisation and a leaky ReLU of 0.01; the first convolution of a level has the stride 2; transposed
    convolutions of 2 x 2; skips are concatenated; every level of the decoder but the coarsest answers in training
    (nnU-Net gives that one the weight 0); weights begin as He et al. say. With 8 stages it has 46.3 million
    parameters, as nnU-Net's plan for 512 x 640.

    Otherwise: convolutions have no bias, which the normalisation would take out again; the background has no logit of
    its own; the strides are equal in both directions, where nnU-Net plans each by itself; and what lies around the
    network (patches, augmentation, SGD, folds) is sononerve's.

    >>> NNUNet(NNUNetConfig(stages=4, width=8), classes=2)(torch.zeros(1, 1, 64, 96)).logits.shape
    torch.Size([1, 2, 64, 96])
    """

    def __init__(self, config: NNUNetConfig, classes: int) -> None:
        super().__init__()
        from monai.networks.nets.dynunet import DynUNet

        widths = config.widths()
        strides = [1] + [2] * (config.stages - 1)
        kernels = [3] * config.stages
        whole = DynUNet(2, 1, classes, kernels, strides, strides[1:], filters=widths, trans_bias=True)
        own_instance_norms(whole)
        self.divisor = 2 ** (config.stages - 1)
        self.encoder = nn.ModuleList([whole.input_block, *whole.downsamples, whole.bottleneck])
        self.decoder = whole.upsamples
        self.head = whole.output_block
        deeper = widths[1:-2] if config.deep_supervision else []
        self.deeper_heads = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in deeper)
        self.deeper_heads.apply(DynUNet.initialize_weights)

    def forward(self, frames: Float[Tensor, "n 1 h w"]) -> Output:
        """``(N, 1, H, W)`` to an `Output`; H and W are multiples of ``divisor``."""
        skips, features = list[Tensor](), frames
        for level in self.encoder:
            features = level(features)
            skips.append(features)
        levels: list[Tensor] = []
        for level, skip in zip(self.decoder, skips[-2::-1], strict=True):
            features = level(features, skip)
            levels.append(features)
        deeper: tuple[Tensor, ...] = ()
        if self.training:
            deeper = tuple(head(f) for head, f in zip(self.deeper_heads, levels[-2::-1], strict=False))
        return Output(logits=self.head(features), deeper=deeper)


NNUNET: dict[str, Architecture] = {
    "nnunet": Architecture(
        NNUNet, NNUNetConfig, NNUNetConfig(), "nnU-Net's 2D network, with sononerve's training instead of nnU-Net's"
    )
}
