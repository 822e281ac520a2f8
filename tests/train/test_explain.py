"""The maps that explain an answer: at the frame's size, true to the predictor, and high where they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load, save
from torch import Tensor

from sononerve import Frame, Predictor
from sononerve.data.phantom import PhantomConfig, samples
from sononerve.data.preprocess import Preprocess
from sononerve.models import Output, SegmentationModel
from sononerve.runtime.bundle import CONFIG, GRAPH, WEIGHTS, Bundle
from sononerve.train.calibrate import Temperatures
from sononerve.train.explain import explain, explain_network
from sononerve.train.graph import bundle_graph
from sononerve.train.restore import restore

SIDE = 32


class Brighter(SegmentationModel):
    """Two classes: the first where the left half of the canvas is bright, the second nowhere; one gate, open above."""

    def forward(self, frames: Tensor) -> Output:
        left = torch.cat([torch.ones(SIDE // 2), torch.zeros(SIDE // 2)])
        first = 3 * frames * left
        gate = torch.zeros(len(frames), 1, SIDE // 2, SIDE // 2)
        gate[:, :, : SIDE // 4] = 1
        return Output(torch.cat([first, torch.full_like(first, -50)], dim=1), gates=(gate,))


def phantom(size: tuple[int, int]) -> Frame:
    """A synthetic frame."""
    (sample,) = samples(PhantomConfig(subjects=1, frames=1, height=size[0], width=size[1]))
    return sample.frame


def noise(height: int, width: int) -> Frame:
    return Frame(np.random.default_rng(0).integers(10, 256, (height, width), dtype=np.uint8))


@pytest.mark.parametrize("size", [(61, 61), (50, 77), (32, 40)])  # halving 64 ends half-way between two grey levels
def test_probabilities_are_the_predictors_and_every_map_has_the_frames_size(
    gated: Bundle, size: tuple[int, int]
) -> None:
    frame = phantom(size)
    found = explain(frame, gated)
    np.testing.assert_allclose(found.probabilities, Predictor(gated).predict(frame).probabilities, atol=1e-4)
    assert found.probabilities.shape == (1, *size)
    assert [one.values.shape for one in found.maps()] == [size] * (2 + len(found.gates) + 1)
    assert len(found.gates) == 2


def test_a_path_is_taken_too(gated: Bundle) -> None:
    frame = phantom((48, 48))
    np.testing.assert_array_equal(explain(frame, gated.source).saliency, explain(frame, gated).saliency)


def test_probabilities_are_the_predictors_where_they_have_a_temperature(gated: Bundle) -> None:
    model, preprocess = restore(gated)
    recorded = yaml.safe_load(gated.files[CONFIG]) | {"temperature": {"mask": 3.0, "presence": 1.0}}
    graph = bundle_graph(model, preprocess, 1, Temperatures(mask=3.0))
    cooled = replace(gated, files={**gated.files, CONFIG: yaml.safe_dump(recorded).encode(), GRAPH: graph})
    frame = phantom((48, 48))
    found = explain(frame, cooled).probabilities
    np.testing.assert_allclose(found, Predictor(cooled).predict(frame).probabilities, atol=1e-4)
    assert np.abs(found - explain(frame, gated).probabilities).max() > 0.01


def test_a_gate_is_high_where_it_is_open() -> None:
    frame = noise(2 * SIDE, 2 * SIDE)
    found = explain_network(frame, Brighter(), Preprocess(height=SIDE, width=SIDE), ("nerve", "vessel"))
    (gate,) = found.gates
    assert gate[: SIDE - 4].min() == pytest.approx(1)
    assert gate[SIDE + 4 :].max() == pytest.approx(0)
    assert found.gate_cells == (4.0,)  # half the canvas's size, of which a pixel is two of the frame


def test_gates_set_by_hand_in_a_bundle_show_as_they_were_set(gated: Bundle) -> None:
    tensors = load(gated.files[WEIGHTS])
    coarser, finest = "gates.0.psi", "gates.1.psi"  # kept coarsest first
    for gate, logit in ((coarser, 2.0), (finest, -torch.inf)):
        tensors[f"{gate}.weight"].zero_()
        tensors[f"{gate}.bias"].fill_(logit)
    set_by_hand = replace(gated, files={**gated.files, WEIGHTS: save(tensors)})
    found = explain(phantom((48, 64)), set_by_hand)
    assert found.gates[0].max() == 0
    np.testing.assert_allclose(found.gates[1], 1 / (1 + np.exp(-2)), rtol=1e-5)


def test_saliency_is_where_the_first_class_looks() -> None:
    frame = noise(SIDE, SIDE)
    found = explain_network(frame, Brighter(), Preprocess(height=SIDE, width=SIDE), ("nerve", "vessel"))
    inside, outside = found.saliency[:, : SIDE // 2], found.saliency[:, SIDE // 2 :]
    assert outside.max() == 0
    # the network is linear, so noise changes nothing: the gradient is 3 times the pixel's share of all probability
    share = found.probabilities[0] / found.probabilities[0].sum()
    np.testing.assert_allclose(inside, 3 * share[:, : SIDE // 2], rtol=1e-3)


def test_every_map_is_zero_outside_of_what_the_network_sees(gated: Bundle) -> None:
    black = np.zeros((60, 80), np.uint8)
    black[12:48, 20:70] = noise(36, 50).pixels
    preprocess = Preprocess(height=SIDE, width=SIDE, region="scan")
    found = explain_network(Frame(black), Brighter(), preprocess, ("nerve", "vessel"))
    seen = np.zeros(black.shape, bool)
    seen[12:48, 20:70] = True
    for one in found.maps():
        assert one.values[~seen].max() == 0, one.name
    assert found.saliency[seen].max() > 0


def test_a_blank_frame_has_maps_without_nan(gated: Bundle) -> None:
    for one in explain(Frame(np.full((40, 40), 7, np.uint8)), gated).maps():
        assert np.isfinite(one.values).all()
        assert one.full > 0


def test_two_calls_draw_the_same_noise(gated: Bundle) -> None:
    frame = phantom((40, 40))
    np.testing.assert_array_equal(explain(frame, gated).saliency, explain(frame, gated).saliency)
