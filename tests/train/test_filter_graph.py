"""Encoder and decoder together answer as the whole graph does, box included, for frames of any size."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from sononerve.data.preprocess import Preprocess
from sononerve.models import build
from sononerve.models.transcgu import TransCGUNet
from sononerve.runtime.engine import CPU_ENGINES, Engine, EngineChoice, EngineName
from sononerve.runtime.engines import open_graph
from sononerve.runtime.filtering import EarlyFilter
from sononerve.train.filter_graph import filter_graphs
from sononerve.train.graph import bundle_graph

SMALL = {"width": 8, "depth": 3, "fold": 1, "layers": 1, "attention_heads": 2}
CLASSES = 2


@cache
def exported(region: str, box: bool) -> tuple[TransCGUNet, Preprocess, tuple[bytes, ...]]:
    """A network, what stands before it, and its graphs: whole, encoder, decoder."""
    torch.manual_seed(0)
    model, preprocess = (
        build("transcgu-net", SMALL | {"box": box}, CLASSES),
        Preprocess(height=32, width=48, region=region),
    )
    assert isinstance(model, TransCGUNet)
    torch.nn.init.normal_(model.presence_head.weight, std=0.5)
    halves = filter_graphs(model.eval(), preprocess, CLASSES)
    return model, preprocess, (bundle_graph(model, preprocess, CLASSES), *halves)


class Graphs:
    """One network as a whole graph, and as encoder and decoder."""

    def __init__(self, engine: EngineName, region: str, box: bool) -> None:
        self.model, self.preprocess, graphs = exported(region, box)
        choice = EngineChoice(engine=engine)
        self.whole, self.encoder, self.decoder = (open_graph(graph, choice=choice) for graph in graphs)

    def answer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """What the whole graph tells."""
        return self.whole.run({"frame": frames})


@pytest.fixture(scope="module", params=CPU_ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module", params=[("frame", True), ("scan", True), ("frame", False)], ids=str)
def graphs(engine: EngineName, request: pytest.FixtureRequest) -> Graphs:
    return Graphs(engine, *request.param)


def frames(count: int, height: int, width: int) -> np.ndarray:
    """Noise of several strengths in a black border."""
    rng = np.random.default_rng(height)
    found = np.zeros((count, 1, height, width), np.uint8)
    for i in range(count):
        found[i, :, 4:-6, 9:-3] = rng.integers(0, 60 + 40 * i, (height - 10, width - 12))
    return found


@pytest.mark.parametrize(("height", "width"), [(32, 48), (70, 53), (101, 200)])
def test_where_no_frame_is_filtered_all_answers_are_those_of_the_whole_graph(
    graphs: Graphs, height: int, width: int
) -> None:
    given = frames(3, height, width)
    expected, found = graphs.answer(given), EarlyFilter(graphs.encoder, graphs.decoder, 0.0).run(given)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)


class Counted:
    """A decoder that counts the frames it is given."""

    def __init__(self, inner: Engine) -> None:
        self.inner, self.frames = inner, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def run(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.frames += len(given["features"])
        return self.inner.run(given)


def test_the_decoder_sees_only_frames_that_may_hold_a_nerve(graphs: Graphs) -> None:
    given = frames(4, 60, 80)
    expected = graphs.answer(given)
    least, *_, most = np.sort(expected["presence"])
    assert least < most
    threshold = float(np.median(expected["presence"]))
    decoder = Counted(graphs.decoder)
    found = EarlyFilter(graphs.encoder, decoder, threshold).run(given)
    kept = expected["presence"] >= threshold
    assert decoder.frames == kept.sum() == 2
    np.testing.assert_allclose(found["probabilities"][kept], expected["probabilities"][kept], atol=1e-5)
    assert found["probabilities"][~kept].max() == 0
    np.testing.assert_allclose(found["presence"], expected["presence"], atol=1e-6)

    EarlyFilter(graphs.encoder, decoder, 1.1).run(given)
    assert decoder.frames == 2  # where all are empty it does not run at all


def test_the_box_is_told_in_the_frame_and_not_in_what_was_seen_of_it(engine: EngineName) -> None:
    graphs = Graphs(engine, "scan", box=True)
    given = frames(2, 60, 120)
    found = graphs.answer(given)["box"]
    for i in range(2):
        area = graphs.preprocess.area(given[i, 0])
        canvas = graphs.preprocess.normalise(graphs.preprocess.frame(given[i, 0]))
        with torch.no_grad():
            told = graphs.model(torch.from_numpy(canvas)[None, None]).box
        assert told is not None
        x, y, width, height = told[0].numpy() * np.array([48, 32, 48, 32])
        on_canvas = np.array([[x - width / 2, y - height / 2, x + width / 2, y + height / 2]])
        corners = found[i] * np.array([120, 60, 120, 60])
        in_frame = np.r_[corners[:2] - corners[2:] / 2, corners[:2] + corners[2:] / 2][None].astype(np.float32)
        np.testing.assert_allclose(graphs.preprocess.boxes(in_frame, area), on_canvas, atol=1e-3)
