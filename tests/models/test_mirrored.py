"""A network that looks twice: what it answers of a mirrored frame is the mirror image of its answer."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.models import build
from sononerve.models.output import SegmentationModel
from sononerve.runtime.answer import agreement
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.engines import installed_engines, open_graph
from sononerve.train.graph import bundle_graph

TINY = {"width": 8, "depth": 3, "fold": 1, "layers": 1, "attention_heads": 2}
FRAMES = torch.randn(2, 1, 32, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> SegmentationModel:
    """One that answers everything: mask, presence, box, gates."""
    torch.manual_seed(0)
    return build("transcgu-net", TINY | {"mirrored": True}, classes=2)


@torch.no_grad()
def test_the_mirror_image_of_a_frame_is_answered_by_the_mirror_image_of_the_answer(network: SegmentationModel) -> None:
    network.eval()
    seen, mirrored = network(FRAMES), network(FRAMES.flip(-1))
    torch.testing.assert_close(mirrored.logits.flip(-1), seen.logits)
    torch.testing.assert_close(mirrored.presence, seen.presence)
    torch.testing.assert_close(mirrored.box[:, 0], 1 - seen.box[:, 0])
    torch.testing.assert_close(mirrored.box[:, 1:], seen.box[:, 1:])
    assert [gate.shape[0] for gate in seen.gates] == [2] * len(seen.gates)


@torch.no_grad()
def test_the_answer_is_the_mean_of_both_looks_of_the_network_itself(network: SegmentationModel) -> None:
    alone = build("transcgu-net", TINY, classes=2).eval()
    alone.load_state_dict({name.removeprefix("network."): value for name, value in network.state_dict().items()})
    first, second = alone(FRAMES), alone(FRAMES.flip(-1))
    both = network.eval()(FRAMES)
    torch.testing.assert_close(both.logits, (first.logits + second.logits.flip(-1)) / 2)
    told = agreement([first.probabilities().numpy(), second.probabilities().flip(-1).numpy()])
    torch.testing.assert_close(both.agreement, torch.from_numpy(told), equal_nan=True)
    torch.testing.assert_close(both.presence, (first.presence + second.presence) / 2)
    assert not torch.allclose(both.logits, first.logits)


@torch.no_grad()
def test_in_training_it_looks_once(network: SegmentationModel) -> None:
    network.train()
    torch.testing.assert_close(network(FRAMES).logits, network.get_submodule("network")(FRAMES).logits)


@pytest.mark.parametrize("count", [1, 3])
def test_exported_it_looks_twice_too(network: SegmentationModel, count: int) -> None:
    network.eval()
    preprocess = Preprocess(height=32, width=48)
    pixels = np.random.default_rng(0).integers(0, 256, (count, 1, 32, 48), dtype=np.uint8)
    graph = bundle_graph(network, preprocess, classes=2)
    for output in onnx.load_from_string(graph).graph.output:
        assert output.type.tensor_type.shape.dim[0].dim_param == "N"
    canvas = np.stack([preprocess.normalise(frame[0])[None] for frame in pixels])
    with torch.no_grad():
        expected = network(torch.from_numpy(canvas))
    for engine in installed_engines():
        found = open_graph(graph, choice=EngineChoice(engine=engine)).run({"frame": pixels})
        np.testing.assert_allclose(found["probabilities"], expected.probabilities(), atol=1e-5, err_msg=engine)
        np.testing.assert_allclose(found["box"], expected.box, atol=1e-5, err_msg=engine)
        np.testing.assert_allclose(found["agreement"], expected.agreement, atol=1e-5, err_msg=engine)


def test_rates_and_weights_to_begin_with_are_those_of_the_network() -> None:
    alone, twice = (build("mobile-unet", {"width": 8, "mirrored": mirrored}, classes=1) for mirrored in (False, True))
    assert twice.pretrained == alone.pretrained == "mobilenet_v2"
    assert twice.learning_rates().keys() <= dict(twice.named_parameters()).keys()
    assert list(twice.learning_rates().values()) == list(alone.learning_rates().values())


def test_a_value_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(InputError, match=r"--set network.mirrored=twice: expected true or false"):
        build("unet", {"mirrored": "twice"}, classes=1)
