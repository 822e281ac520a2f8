"""The bundle's graph gives what PyTorch gives, for frames of any size, and hides nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sononerve.data.preprocess import Preprocess
from sononerve.io.images import read_frame
from sononerve.models import build
from sononerve.models.output import Output, SegmentationModel, probabilities
from sononerve.runtime.engine import CPU_ENGINES, EngineChoice, EngineName
from sononerve.runtime.engines import open_graph
from sononerve.train.calibrate import Temperatures
from sononerve.train.graph import bundle_graph

Floats = np.ndarray
HEIGHT, WIDTH, CLASSES = 32, 48, 2
NEAR = 3e-5  # sums in another order: a frame of noise in a hundred thousand is 1.3e-5 apart
OTHER_LEVEL = 0.02  # where a scaled pixel lies half-way between two grey levels, either may be taken


class Pair:
    """One network twice: in PyTorch between the two ends of `Preprocess`, and as the bundle's graph."""

    def __init__(
        self, normalisation: str, region: str, temperature: float = 1.0, engine: EngineName = "onnxruntime"
    ) -> None:
        torch.manual_seed(3)
        self.model = lively(build("unet", {"width": 4, "depth": 3}, CLASSES))
        self.preprocess = Preprocess(
            height=HEIGHT, width=WIDTH, region=region, normalisation=normalisation, mean=61.7, std=43.3
        )
        self.temperature = temperature
        self.graph = bundle_graph(self.model, self.preprocess, CLASSES, Temperatures(mask=temperature))
        self.engine = open_graph(self.graph, choice=EngineChoice(engine=engine))

    def by_graph(self, frames: Floats) -> Floats:
        """Probabilities ``(N, C, H, W)`` of uint8 frames ``(N, H, W)``."""
        return self.engine.run({"frame": frames[:, None]})["probabilities"]

    def ties(self, frame: Floats) -> bool:
        """Whether a pixel of the canvas lies half-way between two grey levels, but for rounding."""
        area = self.preprocess.area(frame)
        rows, columns = self.preprocess.weights(area.shape)
        scaled = rows @ frame[area.slices].astype(np.float32) @ columns.T
        return bool((np.abs(scaled % 1 - 0.5) < 1e-3).any())

    def by_torch(self, frame: Floats) -> Floats:
        """Probabilities ``(C, H, W)`` of one frame."""
        canvas = self.preprocess.normalise(self.preprocess.frame(frame))
        with torch.no_grad():
            found = probabilities(self.model.eval()(torch.from_numpy(canvas)[None, None]).logits / self.temperature)[0]
        return self.preprocess.restore(found.numpy(), frame.shape, self.preprocess.area(frame))


def lively(model: SegmentationModel) -> SegmentationModel:
    """Weights large enough, and averages odd enough, that answers differ from pixel to pixel."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.3)
            elif name.startswith("head"):
                value.mul_(4)
    return model


@pytest.fixture(scope="module", params=CPU_ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module", params=[("frame", "frame"), ("fixed", "frame"), ("frame", "scan"), ("fixed", "scan")])
def pair(engine: EngineName, request: pytest.FixtureRequest) -> Pair:
    return Pair(*request.param, engine=engine)


def noise(height: int, width: int, seed: int = 0) -> Floats:
    """A frame of noise over a slope."""
    rng = np.random.default_rng([height, width, seed])
    slope = np.linspace(0, 200, height)[:, None] + np.zeros(width)
    return (slope + rng.integers(0, 56, (height, width))).astype(np.uint8)


@settings(max_examples=25)
@given(height=st.integers(1, 140), width=st.integers(1, 140))
@example(1, 1)
@example(1, 140)
@example(HEIGHT, WIDTH)
@example(2 * HEIGHT, 2 * WIDTH)
@example(500, 3)
@example(3, 700)
def test_the_graph_answers_as_torch_at_every_size(pair: Pair, height: int, width: int) -> None:
    frame = noise(height, width)
    found = pair.by_graph(frame[None])[0]
    assert found.shape == (CLASSES, height, width)
    np.testing.assert_allclose(found, pair.by_torch(frame), atol=OTHER_LEVEL if pair.ties(frame) else NEAR)


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_logits_are_divided_by_their_temperature_as_in_torch(temperature: float, engine: EngineName) -> None:
    frame = noise(100, 90)
    pair = Pair("frame", "frame", temperature, engine)
    found = pair.by_graph(frame[None])[0]
    np.testing.assert_allclose(found, pair.by_torch(frame), atol=OTHER_LEVEL if pair.ties(frame) else NEAR)
    assert np.abs(found - Pair("frame", "frame").by_graph(frame[None])[0]).max() > 0.05


class Sure(SegmentationModel):
    """Says 2 of presence, and no mask."""

    heads = ("presence",)

    def forward(self, frames: torch.Tensor) -> Output:
        """The mean of a normalised canvas is 0, and it is added so that the answer depends on the frame."""
        return Output(logits=frames * 0 - 1, presence=frames.mean((1, 2, 3)) * 0 + 2)


def test_presence_has_a_temperature_of_its_own(engine: EngineName) -> None:
    graph = bundle_graph(Sure(), Preprocess(height=8, width=8), 1, Temperatures(mask=3.0, presence=4.0))
    found = open_graph(graph, choice=EngineChoice(engine=engine)).run({"frame": noise(8, 8)[None, None]})
    assert found["presence"].tolist() == pytest.approx([1 / (1 + np.exp(-0.5))])
    np.testing.assert_allclose(found["probabilities"], 1 / (1 + np.exp(1 / 3)), atol=NEAR)


def test_the_answers_compared_are_not_all_the_same(pair: Pair) -> None:
    found = pair.by_torch(noise(100, 90))
    assert np.ptp(found, axis=(1, 2)).min() > 0.05


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_frame_has_finite_answers_as_in_torch(pair: Pair, level: int) -> None:
    frame = np.full((50, 70), level, np.uint8)
    found = pair.by_graph(frame[None])[0]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, pair.by_torch(frame), atol=NEAR)


@settings(max_examples=25)
@given(sides=st.tuples(*[st.integers(0, 40)] * 4), black=st.integers(0, 50), size=st.tuples(*[st.integers(3, 80)] * 2))
def test_the_scan_on_a_black_screen_is_answered_as_in_torch_and_the_black_is_nothing(
    engine: EngineName, sides: tuple[int, ...], black: int, size: tuple[int, int]
) -> None:
    top, bottom, left, right = sides
    frame = np.pad(np.maximum(noise(*size), black + 9), ((top, bottom), (left, right)), constant_values=black)
    pair = scan_pair(engine)
    found = pair.by_graph(frame[None])[0]
    np.testing.assert_allclose(found, pair.by_torch(frame), atol=OTHER_LEVEL if pair.ties(frame) else NEAR)
    if any(sides):
        inside = found[:, top : top + size[0], left : left + size[1]]
        assert np.isclose(inside.sum(), found.sum())


@cache
def scan_pair(engine: EngineName) -> Pair:
    return Pair("frame", "scan", engine=engine)


def test_frames_of_a_batch_are_cut_each_to_its_own_scan(engine: EngineName) -> None:
    frames = np.zeros((3, 90, 100), np.uint8)
    for i, (top, bottom, left, right) in enumerate([(0, 50, 10, 100), (30, 90, 0, 40), (0, 90, 0, 100)]):
        frames[i, top:bottom, left:right] = np.maximum(noise(bottom - top, right - left, i), 20)
    singles = np.concatenate([scan_pair(engine).by_graph(frame[None]) for frame in frames])
    np.testing.assert_allclose(scan_pair(engine).by_graph(frames), singles, atol=NEAR)


def test_a_batch_of_three_is_three_single_frames(pair: Pair) -> None:
    frames = np.stack([noise(61, 83, seed) for seed in range(3)])
    singles = np.concatenate([pair.by_graph(frame[None]) for frame in frames])
    np.testing.assert_allclose(pair.by_graph(frames), singles, atol=NEAR)


def test_real_frames_are_answered_as_in_torch(pair: Pair, shared_data: Path) -> None:
    sets = ("usgra-seg", "brachial-plexus")
    files = [path for name in sets for path in sorted((shared_data / name / "images").iterdir())[::90]]
    assert len(files) >= 4
    for file in files:
        frame = read_frame(file).pixels
        near = OTHER_LEVEL if pair.ties(frame) else NEAR
        np.testing.assert_allclose(pair.by_graph(frame[None])[0], pair.by_torch(frame), atol=near)


def test_probabilities_lie_in_0_to_1_and_leave_room_for_the_background(pair: Pair) -> None:
    found = pair.by_graph(noise(90, 40)[None])[0]
    assert found.min() >= 0
    assert found.sum(0).max() <= 1 + NEAR


def test_the_graph_takes_bytes_of_any_size_and_is_one_file_without_traces(pair: Pair) -> None:
    model = onnx.load_from_string(pair.graph)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    (taken,) = model.graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, channel, height, width = taken.type.tensor_type.shape.dim
    assert channel.dim_value == 1
    assert all(size.dim_param and not size.dim_value for size in (batch, height, width))
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)
    assert str(Path(__file__).parents[2]).encode() not in pair.graph
    assert str(Path.cwd()).encode() not in pair.graph
