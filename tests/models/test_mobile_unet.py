"""The mobile U-Net: its encoders are those of other libraries, and it begins with the imported weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sononerve.errors import InputError
from sononerve.io.weights.importing import import_weights
from sononerve.models import build
from sononerve.models.mobile_unet import MobileEncoder, MobileUNet
from sononerve.models.mobile_unet.encoder import renamed
from sononerve.models.zoo.smp import Smp, SmpConfig
from sononerve.torchvision import make_importable
from sononerve.train.config import TrainConfig
from sononerve.train.pretrained import check_pretrained, load_pretrained

FILE = Path("weights/mobilenet_v2_imagenet_features.safetensors")
LITE = Path("weights/efficientnet_lite0_imagenet.safetensors")


@pytest.fixture
def imported(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The real weights, imported."""
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path))
    import_weights("mobilenet_v2", str(shared_data.parent / FILE))
    return load_file(shared_data.parent / FILE)


@torch.no_grad()
def test_with_imagenets_weights_the_encoder_is_the_mobilenet_of_another_library(
    imported: dict[str, torch.Tensor],
) -> None:
    make_importable()
    pytest.importorskip("segmentation_models_pytorch", reason="the extra zoo is not installed")
    theirs = Smp("unet", SmpConfig(encoder="mobilenet_v2", weights="mobilenet_v2"), classes=1)
    ours = MobileEncoder("mobilenet_v2")
    theirs.load_pretrained(imported)
    ours.load(imported)
    theirs.eval()
    ours.eval()
    grey = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    found = ours(grey)
    assert [features.shape[1] for features in found] == [16, 24, 32, 96, 320]
    for level, expected in zip(found[:4], theirs.network.encoder(grey)[1:5], strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_with_imagenets_weights_the_encoder_is_the_efficientnet_lite_of_another_library(shared_data: Path) -> None:
    make_importable()
    timm = pytest.importorskip("timm", reason="the extra zoo is not installed")
    ours = MobileEncoder("efficientnet_lite0")
    ours.load(load_file(shared_data.parent / LITE))
    theirs = timm.create_model("efficientnet_lite0", features_only=True, in_chans=1, pretrained=False, bn_eps=1e-3)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    theirs.eval()
    ours.eval()
    grey = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    found = ours(grey)
    assert [features.shape[1] for features in found] == [16, 24, 40, 112, 320]
    for level, expected in zip(found, theirs(grey), strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-4)


def test_efficientnets_names_are_told_apart_by_what_stands_before_and_behind() -> None:
    told = {
        "_conv_stem.weight": "features.0.0.weight",
        "_bn0.bias": "features.0.1.bias",
        "_blocks.0._depthwise_conv.weight": "features.1.conv.0.0.weight",
        "_blocks.0._bn2.running_mean": "features.1.conv.2.running_mean",
        "_blocks.15._bn0.weight": "features.16.conv.0.1.weight",
        "_blocks.15._bn1.weight": "features.16.conv.1.1.weight",
        "_blocks.15._bn2.weight": "features.16.conv.3.weight",
        "_fc.weight": "_fc.weight",
        "features.18.0.weight": "features.18.0.weight",
    }
    assert {name: renamed(name) for name in told} == told


def test_imported_weights_are_what_the_network_begins_with_and_learn_slower(
    imported: dict[str, torch.Tensor],
) -> None:
    network = build("mobile-unet", {"width": 8}, classes=1)
    load_pretrained(network)
    assert isinstance(network, MobileUNet)
    found, name = network.mobile.state_dict(), "features.17.conv.1.1.running_var"
    assert torch.equal(found["features.0.0.weight"], imported["features.0.0.weight"].sum(1, keepdim=True))
    assert torch.equal(found[name], imported[name])
    rates = network.learning_rates()
    assert set(rates.values()) == {0.5}
    assert rates.keys() == {name for name, _ in network.named_parameters() if name.startswith("mobile.")}
    assert build("mobile-unet", {"weights": "none"}, classes=1).learning_rates() == {}


def test_missing_weights_are_told_with_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path))
    config = TrainConfig.model_validate({"data": {"folder": tmp_path / "nowhere"}, "model": "mobile-unet"})
    with pytest.raises(InputError, match=r"sononerve weights import mobilenet_v2.*--set network.weights=none"):
        check_pretrained(config)


def test_weights_of_another_network_are_refused_by_name(imported: dict[str, torch.Tensor]) -> None:
    network = build("mobile-unet", {}, classes=1)
    name = "features.17.conv.2.weight"
    with pytest.raises(ValueError, match=rf"holds no {name}; expected the weights of MobileNetV2"):
        network.load_pretrained({key: value for key, value in imported.items() if key != name})
    with pytest.raises(ValueError, match=rf"{name} is \(3,\); expected \(320, 960, 1, 1\), as in MobileNetV2"):
        network.load_pretrained(imported | {name: torch.zeros(3)})


def test_a_single_frame_can_be_learned_from() -> None:
    torch.manual_seed(0)
    network = build("mobile-unet", {"weights": "none", "width": 8}, classes=2).train()
    output = network(torch.randn(1, 1, 32, 32))
    assert output.logits.shape == (1, 2, 32, 32)
    assert [logits.shape for logits in output.deeper] == [(1, 2, 8, 8), (1, 2, 4, 4)]
