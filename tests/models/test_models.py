"""The registry, the output, and what only the U-Net has."""

from __future__ import annotations

import pytest
import torch

from sononerve.errors import InputError
from sononerve.models import MODELS, build, check_settings
from sononerve.models.output import Output, probabilities, with_background


def test_the_notebook_network_has_its_published_size() -> None:
    network = build("unet-notebook", {}, classes=1)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 2_161_361


def test_an_unknown_model_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError) as caught:
        build("resnet", {}, classes=1)
    assert "resnet" in str(caught.value)
    assert all(name in str(caught.value) for name in MODELS)


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"colour": "red"}, "colour"), ({"depth": 1}, "depth"), ({"norm": "layer"}, "norm"), ({"width": "wide"}, "width")],
)
def test_a_setting_that_is_unknown_or_wrong_is_named_with_those_that_are_known(
    settings: dict[str, int | str], named: str
) -> None:
    with pytest.raises(InputError, match=rf"--set .*{named}.*unet knows .*dropout"):
        check_settings("unet", settings)


def test_settings_change_the_usual_ones_and_leave_the_rest_of_it() -> None:
    found = check_settings("unet-notebook", {"width": 8}).model_dump()
    usual = MODELS["unet-notebook"].usual.model_dump()
    assert found == usual | {"width": 8}


def test_one_class_is_the_sigmoid() -> None:
    logits = torch.linspace(-8, 8, 64).reshape(1, 1, 8, 8)
    torch.testing.assert_close(Output(logits).probabilities(), torch.sigmoid(logits))


def test_equal_logits_of_zero_share_with_the_background() -> None:
    torch.testing.assert_close(probabilities(torch.zeros(1, 3, 2, 2)), torch.full((1, 3, 2, 2), 0.25))
    assert with_background(torch.ones(2, 3, 4, 4))[:, 0].abs().max() == 0


@pytest.mark.parametrize("levels", [1, 2])
def test_coarser_levels_answer_in_training_only(levels: int) -> None:
    network = build("unet", {"width": 4, "depth": 4, "fold": 1, "deep_supervision": levels}, classes=2)
    batch = torch.randn(1, 1, 32, 48)
    sizes = [tuple(logits.shape) for logits in network.train()(batch).deeper]
    assert sizes == [(1, 2, 16, 24), (1, 2, 8, 12)][:levels]
    assert network.eval()(batch).deeper == ()


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize("upsample", ["transpose2", "transpose3", "bilinear"])
def test_every_choice_of_norm_and_upsampling_answers_at_size(norm: str, upsample: str) -> None:
    network = build("unet", {"width": 4, "depth": 3, "norm": norm, "upsample": upsample}, classes=1).eval()
    side = 2 * network.divisor
    with torch.no_grad():
        assert network(torch.randn(1, 1, side, side)).logits.shape == (1, 1, side, side)


@pytest.mark.parametrize("fold", [1, 2, 4])
def test_folding_pixels_multiplies_what_sides_must_be_multiples_of(fold: int) -> None:
    network = build("unet", {"width": 4, "depth": 3, "fold": fold}, classes=2).eval()
    assert network.divisor == 4 * fold
    with torch.no_grad():
        assert network(torch.randn(1, 1, 4 * fold, 8 * fold)).logits.shape == (1, 2, 4 * fold, 8 * fold)


def test_dropout_acts_in_training_only() -> None:
    network = build("unet", {"width": 4, "depth": 3, "dropout": 0.5}, classes=1)
    batch = torch.randn(1, 1, 32, 32)
    assert not torch.equal(network.train()(batch).logits, network(batch).logits)
    assert torch.equal(network.eval()(batch).logits, network(batch).logits)


@pytest.mark.parametrize("width", [12, 6, 16])
def test_groups_are_normalised_whatever_the_width(width: int) -> None:
    network = build("unet", {"norm": "group", "width": width, "depth": 2, "fold": 1}, classes=1)
    assert network(torch.zeros(1, 1, 16, 16)).logits.shape == (1, 1, 16, 16)
