"""A bundle's network in PyTorch again, and one sentence for a bundle that has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
import torch
import yaml
from safetensors.torch import load, save

from sononerve.errors import InputError
from sononerve.models import MODELS
from sononerve.runtime.bundle import CONFIG, WEIGHTS, Bundle
from sononerve.train.restore import restore


def with_config(bundle: Bundle, change: Callable[[dict[str, dict[str, object]]], object]) -> Bundle:
    """The bundle with its configuration changed in place."""
    told = yaml.safe_load(bundle.files[CONFIG])
    change(told)
    return replace(bundle, files={**bundle.files, CONFIG: yaml.safe_dump(told).encode()})


def of_unet(told: dict[str, dict[str, object]]) -> dict[str, object]:
    """The recorded settings of the network that a plain U-Net has too."""
    recorded = cast(dict[str, object], told["training"]["network"])
    return {name: value for name, value in recorded.items() if name in MODELS["unet"].settings.model_fields}


def with_weights(bundle: Bundle, change: Callable[[dict[str, torch.Tensor]], object]) -> Bundle:
    """The bundle with its weights changed in place."""
    tensors = load(bundle.files[WEIGHTS])
    change(tensors)
    return replace(bundle, files={**bundle.files, WEIGHTS: save(tensors)})


def test_a_restored_network_has_the_weights_of_the_bundle_and_its_preprocessing(gated: Bundle) -> None:
    model, preprocess = restore(gated)
    stored = load(gated.files[WEIGHTS])
    assert not model.training
    assert model.state_dict().keys() == stored.keys()
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    assert preprocess.model_dump() == yaml.safe_load(gated.files[CONFIG])["plan"]["preprocess"]


def test_a_restored_network_stays_what_it_was_where_the_usual_settings_have_changed(
    gated: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = yaml.safe_load(gated.files[CONFIG])["training"]["model"]
    known, frame = MODELS[name], torch.rand(1, 1, 64, 64)
    before = restore(gated)[0](frame).logits
    changed = known.usual.model_copy(update={"norm": "group", "width": 40, "presence": False})
    monkeypatch.setitem(MODELS, name, replace(known, usual=changed))
    assert torch.equal(restore(gated)[0](frame).logits, before)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda told: told.pop("training"), "config.yaml: training: Field required"),
        (lambda told: told["plan"].pop("preprocess"), "config.yaml: plan.preprocess: Field required"),
        (lambda told: told["training"].update(model="gpt"), "gpt: unknown.*use the sononerve that wrote it"),
        (lambda told: told["training"].update(network={"wdith": 4}), "wdith.*use the sononerve that wrote it"),
        (lambda told: told["training"].update(network={"width": 8}), r"weights.safetensors: \S+ is \(.*\), not \("),
        (
            lambda told: told["training"].update(model="unet", network=of_unet(told)),
            "holds gates.* the network has not.*weights of unet",
        ),
    ],
)
def test_a_configuration_that_says_no_such_network_is_named(
    gated: Bundle, change: Callable[[dict[str, dict[str, object]]], object], fault: str
) -> None:
    with pytest.raises(InputError, match=f"^{gated.source}: .*{fault}") as caught:
        restore(with_config(gated, change))
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_the_networks_are_named(gated: Bundle) -> None:
    with pytest.raises(InputError, match=r"weights.safetensors: holds no head.bias; expected the weights of"):
        restore(with_weights(gated, lambda tensors: tensors.pop("head.bias")))
    with pytest.raises(InputError, match=r"weights.safetensors: not safetensors .*export the bundle again"):
        restore(replace(gated, files={**gated.files, WEIGHTS: b"none"}))
