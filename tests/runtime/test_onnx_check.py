"""A graph may ask for nothing outside of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from bright import bright_files
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.runtime.bundle import GRAPH, write_bundle
from sononerve.runtime.onnx_check import check_graph
from sononerve.runtime.predictor import Predictor

GOOD = bright_files()[GRAPH]


def good() -> onnx.ModelProto:
    return onnx.load_from_string(GOOD)


def elsewhere(tensor: TensorProto) -> TensorProto:
    """The tensor with its numbers in another file."""
    onnx.external_data_helper.set_external_data(tensor, location="../../etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def numbers() -> TensorProto:
    return numpy_helper.from_array(np.zeros(3, np.float32), "numbers")


def with_initializer() -> onnx.ModelProto:
    model = good()
    model.graph.initializer.append(elsewhere(numbers()))
    return model


def with_attribute() -> onnx.ModelProto:
    model = good()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["more"], value=elsewhere(numbers())))
    return model


def with_branch() -> onnx.ModelProto:
    model = good()
    inner = helper.make_graph([], "inner", [], [], [elsewhere(numbers())])
    model.graph.node.insert(0, helper.make_node("If", ["yes"], ["more"], then_branch=inner, else_branch=inner))
    return model


def with_sparse() -> onnx.ModelProto:
    model = good()
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(elsewhere(numbers()), numbers(), [3]))
    return model


@pytest.mark.parametrize("make", [with_initializer, with_attribute, with_branch, with_sparse])
def test_numbers_in_other_files_are_refused_wherever_they_are(make: object, tmp_path: Path) -> None:
    content = make().SerializeToString()  # type: ignore[operator]
    with pytest.raises(InputError, match=r"model\.onnx: keeps numbers in other files"):
        check_graph(content, "model.onnx")
    write_bundle(tmp_path / "bundle", bright_files() | {GRAPH: content})
    with pytest.raises(InputError, match="keeps numbers in other files"):
        Predictor.load(tmp_path / "bundle")


def test_operators_of_others_are_refused() -> None:
    model = good()
    model.graph.node[0].domain = "com.evil"
    with pytest.raises(
        InputError, match=r"^model\.onnx: has the operator com\.evil\.Constant; expected those of ONNX alone$"
    ):
        check_graph(model.SerializeToString(), "model.onnx")
    model = good()
    model.functions.append(helper.make_function("own", "F", [], ["y"], [], model.opset_import))
    with pytest.raises(InputError, match="defines operators of its own"):
        check_graph(model.SerializeToString(), "model.onnx")


def test_graphs_that_never_end_are_refused() -> None:
    graph = helper.make_graph([], "inner", [], [])
    for _ in range(12):
        graph = helper.make_graph([helper.make_node("If", ["a"], ["b"], then_branch=graph)], "inner", [], [])
    model = good()
    model.graph.node.insert(0, helper.make_node("If", ["yes"], ["more"], then_branch=graph))
    with pytest.raises(InputError, match="graphs within graphs"):
        check_graph(model.SerializeToString(), "model.onnx")


def test_a_field_that_others_read_differently_is_refused() -> None:
    """Of a tag of five bytes they see the lower 32 bits alone: this one is field 13, where numbers are kept."""
    hidden = b"\xea\x80\x80\x80\x10\x00"
    initializer = bytes([5 << 3 | 2, len(hidden)]) + hidden
    graph = bytes([7 << 3 | 2, len(initializer)]) + initializer
    with pytest.raises(InputError, match="not a graph of ONNX"):
        check_graph(graph, "model.onnx")
    with pytest.raises(InputError, match="keeps numbers in other files"):
        check_graph(graph.replace(b"\xea\x80\x80\x80\x10", b"\xea\x80\x80\x80\x00"), "model.onnx")


def test_a_good_graph_is_opened(tmp_path: Path) -> None:
    check_graph(GOOD, "model.onnx")
    write_bundle(tmp_path / "bundle", bright_files())
    assert not Predictor.load(tmp_path / "bundle").predict(Frame(np.zeros((9, 9), np.uint8))).labels.any()


@given(cut=st.integers(1, len(GOOD) - 1))
def test_a_graph_that_ends_early_is_said(cut: int) -> None:
    try:
        check_graph(GOOD[:cut], "model.onnx")
    except InputError as error:
        assert "not a graph of ONNX" in str(error)


@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(InputError):
        check_graph(content, "model.onnx")
