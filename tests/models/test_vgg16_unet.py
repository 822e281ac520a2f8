"""The VGG16 U-Net: its encoder is VGG16, stages can stay frozen, and missing weights are told with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from sononerve.errors import InputError
from sononerve.io.weights.importing import import_weights
from sononerve.models import MODELS, build
from sononerve.models.vgg16_unet import VGG16Encoder, VGG16UNet
from sononerve.train.config import OptimiserConfig, TrainConfig
from sononerve.train.pretrained import check_pretrained, load_pretrained
from sononerve.train.task import Supervised

LAYERS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Places of the convolutions in VGG16 as torchvision builds it; between two stages it pools."""

Tensors = dict[str, torch.Tensor]
SMALL = {"weights": "none", "stages": 3, "width": 4}


@pytest.fixture(scope="session")
def imagenet(shared_data: Path) -> Tensors:
    """The real weights."""
    found = load_file(shared_data.parent / "weights" / "vgg16_imagenet_features.safetensors")
    return {name: value.float() for name, value in found.items()}


def vgg16(colours: torch.Tensor, tensors: Tensors) -> list[torch.Tensor]:
    """VGG16 on three channels, written down once more: the features at the end of each stage."""
    found: list[torch.Tensor] = []
    for stage in LAYERS:
        features = F.max_pool2d(found[-1], 2) if found else colours
        for place in stage:
            weight, bias = tensors[f"features.{place}.weight"], tensors[f"features.{place}.bias"]
            features = F.conv2d(features, weight, bias, padding=1).relu()
        found.append(features)
    return found


@torch.no_grad()
def test_with_imagenets_weights_the_encoder_is_vgg16_on_three_equal_channels(imagenet: Tensors) -> None:
    encoder = VGG16Encoder()
    encoder.load(imagenet)
    grey = torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip(encoder(grey), vgg16(grey.expand(-1, 3, -1, -1), imagenet), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_imported_weights_are_what_the_network_begins_with(
    shared_data: Path, imagenet: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path))
    import_weights("vgg16", str(shared_data.parent / "weights/vgg16_imagenet_features.safetensors"))
    network = build("vgg16-unet", {"stages": 2}, classes=1)
    load_pretrained(network)
    assert isinstance(network, VGG16UNet)
    found = network.vgg16.state_dict()
    assert torch.equal(found["features.0.weight"], imagenet["features.0.weight"].sum(1, keepdim=True))
    assert torch.equal(found["features.7.bias"], imagenet["features.7.bias"])


def test_missing_weights_are_told_before_anything_is_read_with_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path))
    config = TrainConfig.model_validate({"data": {"folder": tmp_path / "nowhere"}, "model": "vgg16-unet"})
    with pytest.raises(InputError, match=r"sononerve weights import vgg16.*--set network.weights=none"):
        check_pretrained(config)
    check_pretrained(config.model_copy(update={"network": {"weights": "none"}}))


@pytest.mark.parametrize("damage", ["missing", "shape"])
def test_weights_of_another_network_are_refused_by_name(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path))
    tensors = {k: v.contiguous() for k, v in VGG16Encoder(2).state_dict().items()}
    if damage == "missing":
        del tensors["features.5.bias"]
    else:
        tensors["features.5.bias"] = torch.zeros(3)
    (tmp_path / "weights").mkdir()
    save_file(tensors, tmp_path / "weights" / "vgg16.safetensors")
    with pytest.raises(InputError, match=r"features\.5\.bias.*--overwrite"):
        load_pretrained(build("vgg16-unet", {"stages": 2}, classes=1))


@pytest.mark.parametrize("stages", [2, 3, 4, 5])
def test_so_many_stages_are_used(stages: int) -> None:
    network = build("vgg16-unet", SMALL | {"stages": stages}, classes=1).eval()
    assert network.divisor == 2 ** (stages - 1)
    names = {name for name, _ in network.named_parameters() if name.startswith("vgg16.")}
    assert len(names) == 2 * sum(len(stage) for stage in LAYERS[:stages])


def test_more_frozen_stages_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match=r"^--set network: frozen is 4, but stages 3; expected at most as many"):
        build("vgg16-unet", SMALL | {"frozen": 4}, classes=1)


def step(network: VGG16UNet, done: float) -> set[str]:
    """Make a step when so much of the training is over; the parameters that moved."""
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    network.thaw(done)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    network.train()(torch.randn(2, 1, 16, 16)).logits.square().mean().backward()
    optimizer.step()
    return {name for name, value in network.named_parameters() if not torch.equal(before[name], value)}


def test_frozen_stages_do_not_move_until_their_share_is_over() -> None:
    torch.manual_seed(0)
    network = build("vgg16-unet", SMALL | {"weights": "vgg16", "frozen": 2, "frozen_share": 0.5}, classes=1)
    assert isinstance(network, VGG16UNet)
    first_two = {f"vgg16.features.{place}" for stage in LAYERS[:2] for place in stage}
    early, late = step(network, 0.3), step(network, 0.5)
    assert not {name.rpartition(".")[0] for name in early} & first_two
    assert "vgg16.features.10.weight" in early
    assert first_two <= {name.rpartition(".")[0] for name in late}


def test_stages_that_began_at_random_are_not_frozen() -> None:
    network = build("vgg16-unet", {"weights": "none", "stages": 2, "width": 4}, classes=1)  # of the usual two frozen
    assert isinstance(network, VGG16UNet)
    assert step(network, 0.3) == {name for name, _ in network.named_parameters()}
    assert network.frozen_share == 0


def test_earlier_stages_learn_slower_and_the_decoder_with_the_whole_rate() -> None:
    network = build("vgg16-unet", SMALL | {"weights": "vgg16", "rate": 0.1, "rate_decay": 0.5}, classes=1)
    task = Supervised(network, torch.nn.Identity(), OptimiserConfig(learning_rate=1.0), 10, 0, ("nerve",))
    groups = task.configure_optimizers()["optimizer"].param_groups
    named = {id(p): name for name, p in network.named_parameters()}
    rates = {named[id(p)]: group["initial_lr"] for group in groups for p in group["params"]}
    assert rates["vgg16.features.14.weight"] == pytest.approx(0.1)
    assert rates["vgg16.features.5.bias"] == pytest.approx(0.05)
    assert rates["vgg16.features.0.weight"] == pytest.approx(0.025)
    assert {rate for name, rate in rates.items() if not name.startswith("vgg16.")} == {1.0}
    assert len(rates) == len(named)
    assert groups[0]["initial_lr"] == 1.0  # the one that the log tells


def test_it_usually_begins_with_the_weights_that_have_a_name() -> None:
    assert build("vgg16-unet", {}, classes=1).pretrained == "vgg16"
    assert MODELS["vgg16-unet"].usual.model_dump()["weights"] == "vgg16"
