"""TransCGU-Net: context reaches everywhere, gates obey presence, and each branch can be left out."""

from __future__ import annotations

import pytest
import torch

from sononerve.data.module import Batch, as_batch, collate
from sononerve.data.phantom import PhantomConfig, samples
from sononerve.data.preprocess import Preprocess
from sononerve.errors import InputError
from sononerve.losses.targets import nerve_box, nerve_present
from sononerve.models import Setting, build
from sononerve.models.transcgu import TransCGUNet
from sononerve.models.transcgu.context import Context, positions
from sononerve.train.config import LossConfig

SMALL: dict[str, Setting] = {"width": 8, "depth": 3, "fold": 1, "layers": 1, "attention_heads": 2}


def make(seed: int = 0, **settings: Setting) -> TransCGUNet:
    """A small one."""
    torch.manual_seed(seed)
    network = build("transcgu-net", SMALL | settings, classes=1)
    assert isinstance(network, TransCGUNet)
    return network


def test_every_cell_has_a_place_of_its_own() -> None:
    places = positions(7, 9, 16)
    assert places.shape == (63, 16)
    distances = torch.cdist(places, places) + torch.eye(63)
    assert distances.min() > 0.1


@torch.no_grad()
def test_with_transformer_layers_a_cell_knows_of_the_far_corner() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 8, 6, 6)
    changed = features.clone()
    changed[..., 0, 0] = -changed[..., 0, 0]
    for layers, knows in ((1, True), (0, False)):
        context = Context(8, layers, heads=2).eval()
        (before, _, _), (after, _, _) = context(features), context(changed)
        assert bool((before[..., 5, 5] - after[..., 5, 5]).abs().max() > 1e-6) is knows


@torch.no_grad()
@pytest.mark.parametrize("layers", [0, 1])
def test_class_and_box_token_know_the_frame_and_differ(layers: int) -> None:
    torch.manual_seed(0)
    context = Context(8, layers, heads=2).eval()
    _, token, box = context(torch.randn(2, 8, 4, 4))
    assert not torch.allclose(token[0], token[1])
    assert not torch.allclose(token, box)


@torch.no_grad()
def test_a_frame_judged_empty_closes_its_gates_and_one_in_doubt_does_not() -> None:
    network, frames = make().eval(), torch.randn(2, 1, 32, 48)
    torch.nn.init.zeros_(network.presence_head.weight)
    mean = []
    for logit in (-12.0, 0.0, 12.0):
        torch.nn.init.constant_(network.presence_head.bias, logit)
        gates = network(frames).gates
        assert [tuple(gate.shape) for gate in gates] == [(2, 1, 32, 48), (2, 1, 16, 24)]
        mean.append(float(torch.cat([gate.flatten() for gate in gates]).mean()))
    empty, doubt, sure = mean
    assert empty < 1e-3
    assert doubt > 0.8 * sure


@torch.no_grad()
def test_the_class_token_and_the_decoder_both_move_the_gates() -> None:
    network = make().eval()
    encoded = network.encode(torch.randn(1, 1, 32, 32))
    before = network.decode(encoded).gates[0]
    encoded.token = encoded.token + 1
    after_token = network.decode(encoded).gates[0]
    encoded.token = encoded.token - 1
    encoded.features = encoded.features + torch.randn_like(encoded.features)
    after_features = network.decode(encoded).gates[0]
    assert not torch.allclose(before, after_token)
    assert not torch.allclose(before, after_features)


@pytest.mark.parametrize("branch", ["presence", "box", "gates"])
def test_each_branch_can_be_left_out(branch: str) -> None:
    network = make(**{branch: False}).eval()
    with torch.no_grad():
        output = network(torch.randn(1, 1, 16, 16))
    assert (output.presence is None) == (branch == "presence")
    assert (output.box is None) == (branch == "box")
    assert (output.gates == ()) == (branch == "gates")
    assert network.heads == tuple(head for head in ("presence", "box") if head != branch)


def test_with_vgg16_it_begins_with_its_weights_unless_told_otherwise() -> None:
    settings: dict[str, Setting] = {"encoder": "vgg16", "fold": 1, "depth": 3, "attention_heads": 8, "width": 8}
    assert make(**settings).pretrained == "vgg16"
    assert make(**settings, weights="none").pretrained is None
    assert make().pretrained is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"attention_heads": 5}, "multiple of 4 and of attention_heads"), ({"encoder": "vgg16", "fold": 2}, "fold=1")],
)
def test_settings_that_do_not_fit_each_other_are_refused(settings: dict[str, Setting], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make(**settings)


def phantoms(empty: float) -> Batch:
    """Four phantom frames as the network sees them."""
    preprocess = Preprocess(height=48, width=48)
    batches = []
    config = PhantomConfig(subjects=4, frames=1, height=128, width=128, empty=empty, vessels=False, seed=int(empty))
    for sample in samples(config):
        assert sample.labels is not None
        canvas = preprocess.normalise(preprocess.frame(sample.frame.pixels))
        batches.append(as_batch(canvas[None], preprocess.mask(sample.labels, 1)[None]))
    return collate(batches)


def test_after_training_gates_are_closed_on_empty_frames_and_presence_and_box_are_known() -> None:
    network = make().train()
    batch = collate([phantoms(0.0), phantoms(1.0)])
    loss, present = LossConfig().build(network.heads), nerve_present(batch.labels)
    assert present.tolist() == [True] * 4 + [False] * 4
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(100):
        optimizer.zero_grad()
        loss(network(batch.frames), batch.labels).backward()
        optimizer.step()
    with torch.no_grad():
        output = network.eval()(batch.frames)
    assert output.presence is not None
    assert output.box is not None
    assert ((output.presence > 0) == present).all()
    assert (output.box - nerve_box(batch.labels))[present].abs().mean() < 0.08
    for gate in output.gates:
        assert gate[present].mean() > 0.5
        assert gate[~present].mean() < 0.5 * gate[present].mean()
