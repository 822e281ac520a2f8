"""What `sononerve models` says of parameters and work, against counts by hand."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import Tensor, nn

from sononerve.models import MODELS, build
from sononerve.models.cost import cost_of, count_flops
from sononerve.models.output import Output, SegmentationModel


class Convolution(SegmentationModel):
    """One convolution, by whose size the work can be counted by hand."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, frames: Tensor) -> Output:
        return Output(self.layer(frames))


def test_a_convolution_is_a_multiplication_and_an_addition_for_each_weight_and_pixel() -> None:
    network = Convolution(nn.Conv2d(1, 8, 3, padding=1, bias=False))
    assert count_flops(network, 64, 96) == 2 * (3 * 3 * 8) * (64 * 96)
    strided = Convolution(nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False))
    assert count_flops(strided, 64, 96) == 2 * (3 * 3 * 8) * (32 * 48)


def test_monais_basic_unet_has_the_work_that_the_design_counted() -> None:
    from monai.networks.nets import BasicUNet

    with torch.device("meta"):
        network = Convolution(BasicUNet(2, 1, 1, features=(32, 64, 128, 256, 512, 32)))
    assert count_flops(network, 416, 576) / 1e9 == pytest.approx(93, abs=0.5)


def test_cost_is_that_of_the_usual_settings() -> None:
    cost = cost_of("unet-notebook")
    assert cost.parameters == 2_161_361
    assert cost.gflops == pytest.approx(count_flops(build("unet-notebook", {}, 1), 256, 256) / 1e9)


def test_the_verb_lists_every_network_and_leaves_figures_open_where_the_extra_is_missing(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    status, out, _ = cli("models", "--json")
    rows = {row["model"]: row for row in json.loads(out)}
    assert status == 0
    assert list(rows) == list(MODELS)
    assert rows["unet-notebook"]["parameters"] == 2_161_361
    assert rows["smp-segformer"]["parameters"] is None
    assert rows["smp-segformer"]["extra"] == "zoo"
    assert all(row["gflops"] > 0 for row in rows.values() if row["extra"] is None)


def test_the_table_says_in_words_what_is_counted(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    few = {name: MODELS[name] for name in ("unet", "unet-notebook")}
    monkeypatch.setattr("sononerve.models.cost.MODELS", few)
    status, out, _ = cli("models")
    assert status == 0
    assert "GFLOP: for one frame of 256 x 256" in out
    assert any(line.split()[1:2] == ["unet-notebook"] and "2.16 M" in line for line in out.splitlines())
