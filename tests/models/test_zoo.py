"""Networks of other libraries: what they need, what they are, and what they say when something is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from sononerve.errors import InputError
from sononerve.models import MODELS, Setting, build, check_settings

ZOO = [name for name, known in MODELS.items() if known.extra == "zoo"]


def test_listing_networks_imports_none_of_their_libraries() -> None:
    code = "import sys, sononerve.models; print({n.split('.')[0] for n in sys.modules} & set(sys.argv[1:]))"
    heavy = ["monai", "segmentation_models_pytorch", "timm", "torchvision", "lightning"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ZOO)
def test_without_the_extra_the_command_that_installs_it_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(InputError, match=rf"--model {name}: .*pip install 'sononerve\[zoo\]'"):
        build(name, {}, classes=1)


def test_a_width_that_a_network_refuses_is_named_with_its_reason() -> None:
    with pytest.raises(InputError, match=r"--set network\.width=10: SwinUNETR refuses it: .*12"):
        build("monai-swinunetr", {"width": 10}, classes=1)


class TestNNUNet:
    def test_has_the_parameters_of_nnu_nets_plan_for_512_by_640(self) -> None:
        with torch.device("meta"):
            network = build("nnunet", {"stages": 8}, classes=1)
        assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 46.3

    @pytest.mark.parametrize(("stages", "answers"), [(3, 0), (4, 1), (6, 3)])
    def test_all_coarser_levels_but_the_coarsest_answer_in_training(self, stages: int, answers: int) -> None:
        network = build("nnunet", {"stages": stages, "width": 4, "widest": 8}, classes=2)
        side = network.divisor * 2
        batch = torch.randn(1, 1, side, side)
        sizes = [tuple(logits.shape) for logits in network.train()(batch).deeper]
        assert sizes == [(1, 2, side // 2**k, side // 2**k) for k in range(1, answers + 1)]
        assert network.eval()(batch).deeper == ()

    def test_a_frame_of_one_pixel_at_the_coarsest_level_can_be_trained_on(self) -> None:
        network = build("nnunet", {"stages": 5, "width": 4}, classes=1).train()
        assert network(torch.randn(1, 1, 16, 16)).logits.isfinite().all()


class TestSmp:
    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("segmentation_models_pytorch", reason="the extra zoo is not installed")

    @pytest.mark.parametrize("encoder", ["resnet43", "tu-resnet43", "timm"])
    def test_an_unknown_encoder_is_refused_with_where_names_are_found(self, encoder: str) -> None:
        with pytest.raises(InputError, match=rf"network\.encoder={encoder}: .*get_encoder_names.*timm\.list_models"):
            build("smp-unet", {"encoder": encoder}, classes=1)

    def test_an_encoder_that_does_not_fit_the_architecture_is_refused_with_the_librarys_reason(self) -> None:
        with pytest.raises(InputError, match=r"network\.encoder=mit_b0: smp-unetplusplus cannot be built on it \(.+\)"):
            build("smp-unetplusplus", {"encoder": "mit_b0"}, classes=1)

    def test_weights_of_another_encoder_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"network\.weights: .*mobilenet_v2, not of resnet34"):
            check_settings("smp-unet", {"weights": "mobilenet_v2"})

    def test_one_frame_can_be_trained_on(self) -> None:
        network = build("smp-deeplabv3plus", {"encoder": "tu-test_resnet"}, classes=1).train()
        output = network(torch.randn(1, 1, 64, 64))
        assert output.logits.shape == (1, 1, 64, 64)
        assert output.logits.isfinite().all()

    def test_with_imported_weights_a_grey_frame_is_seen_as_a_colour_picture_of_equal_channels(self) -> None:
        network = build("smp-unet", {"encoder": "mobilenet_v2", "weights": "mobilenet_v2"}, classes=1)
        assert network.pretrained == "mobilenet_v2"
        weights = imagenet_like(network)
        network.load_pretrained(weights)
        colour = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        colour.load_state_dict({"weight": weights["features.0.0.weight"]})
        frame = torch.randn(1, 1, 32, 32)
        with torch.no_grad():
            found = network.get_submodule("network.encoder.features.0.0")(frame)
            torch.testing.assert_close(found, colour(frame.expand(1, 3, 32, 32)), atol=1e-5, rtol=1e-5)
        loaded = network.state_dict()["network.encoder.features.17.conv.2.weight"]
        assert torch.equal(loaded, weights["features.17.conv.2.weight"])

    def test_an_encoder_with_weights_learns_slower_and_one_without_does_not(self) -> None:
        settings: dict[str, Setting] = {"encoder": "mobilenet_v2", "weights": "mobilenet_v2", "rate": 0.25}
        rates = build("smp-unet", settings, classes=1).learning_rates()
        assert set(rates.values()) == {0.25}
        assert "network.encoder.features.0.0.weight" in rates
        assert not any("decoder" in name or "head" in name for name in rates)
        assert build("smp-unet", settings | {"weights": "none"}, classes=1).learning_rates() == {}

    def test_weights_that_lack_a_layer_do_not_fit(self) -> None:
        network = build("smp-unet", {"encoder": "mobilenet_v2", "weights": "mobilenet_v2"}, classes=1)
        weights = imagenet_like(network)
        del weights["features.5.conv.2.weight"]
        with pytest.raises(ValueError, match=r"features\.5\.conv\.2\.weight"):
            network.load_pretrained(weights)


def imagenet_like(network: nn.Module) -> dict[str, Tensor]:
    """Numbers by the names and shapes of the stored weights, whose first layer takes three channels."""
    prefix = "network.encoder."
    own = {name.removeprefix(prefix): t for name, t in network.state_dict().items() if name.startswith(prefix)}
    return {
        name: torch.randn(32, 3, 3, 3) if name == "features.0.0.weight" else torch.rand(values.shape)
        for name, values in own.items()
    }
