"""What an ONNX file asks for, looked at before an engine opens it: nothing outside of itself, and standard operators.

An engine follows names of files inside of a graph (CVE-2024-27318), so a graph that names any is refused. Read is the
wire format of Protocol Buffers, of which a graph needs four kinds of field; tensors' bytes are stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InputError

STANDARD = (b"", b"ai.onnx")
MOST_NESTED = 8  # graphs within graphs, as of If and Loop
VARINT, FIXED_64, DELIMITED, FIXED_32 = 0, 1, 2, 5
LONGEST_VARINT = 10
EXTERNAL = 1  # TensorProto.DataLocation

# Numbers of fields, as onnx.proto has them.
MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSES = (5, 10), (6, 11), (22, 23)
SPARSE_PARTS = (1, 2)
TENSOR_EXTERNAL_DATA, TENSOR_LOCATION = 13, 14


def check_graph(content: bytes, name: str) -> None:
    """Raise `InputError` where the ONNX file ``name`` reads other files, has operators of its own, or is damaged."""
    try:
        _model(memoryview(content), name)
    except InputError:
        raise
    except (IndexError, ValueError) as error:
        raise InputError(f"{name}: not a graph of ONNX ({error}); export it again") from error


def _model(content: memoryview, name: str) -> None:
    graphs = 0
    for number, value in _fields(content):
        if number == MODEL_FUNCTIONS:
            raise InputError(f"{name}: defines operators of its own; expected those of ONNX alone")
        if number == MODEL_GRAPH and isinstance(value, memoryview):
            _graph(value, name, 0)
            graphs += 1
    if graphs != 1:
        raise ValueError(f"{graphs} graphs in it")


def _graph(content: memoryview, name: str, depth: int) -> None:
    if depth > MOST_NESTED:
        raise InputError(f"{name}: graphs within graphs, more than {MOST_NESTED} deep; not opened")
    for number, value in _fields(content):
        if not isinstance(value, memoryview):
            continue
        if number == GRAPH_NODE:
            _node(value, name, depth)
        elif number == GRAPH_INITIALIZER:
            _tensor(value, name)
        elif number == GRAPH_SPARSE:
            _sparse(value, name)


def _node(content: memoryview, name: str, depth: int) -> None:
    operator, domain = b"", b""
    for number, value in _fields(content):
        if not isinstance(value, memoryview):
            continue
        if number == NODE_OPERATOR:
            operator = bytes(value)
        elif number == NODE_DOMAIN:
            domain = bytes(value)
        elif number == NODE_ATTRIBUTE:
            _attribute(value, name, depth)
    if domain not in STANDARD:
        told = f"{domain[:40].decode('utf-8', 'replace')}.{operator[:40].decode('utf-8', 'replace')}"
        raise InputError(f"{name}: has the operator {told}; expected those of ONNX alone")


def _attribute(content: memoryview, name: str, depth: int) -> None:
    for number, value in _fields(content):
        if not isinstance(value, memoryview):
            continue
        if number in ATTRIBUTE_TENSORS:
            _tensor(value, name)
        elif number in ATTRIBUTE_GRAPHS:
            _graph(value, name, depth + 1)
        elif number in ATTRIBUTE_SPARSES:
            _sparse(value, name)


def _sparse(content: memoryview, name: str) -> None:
    for number, value in _fields(content):
        if number in SPARSE_PARTS and isinstance(value, memoryview):
            _tensor(value, name)


def _tensor(content: memoryview, name: str) -> None:
    for number, value in _fields(content):
        if number == TENSOR_EXTERNAL_DATA or (number == TENSOR_LOCATION and value == EXTERNAL):
            raise InputError(f"{name}: keeps numbers in other files, which could be any; expected all of them inside")


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: number, and a whole number or bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if number == 0 or key >> 32:  # others read the lower 32 bits alone, and would see another field
            raise ValueError(f"a field of number {number}")
        if kind == VARINT:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind == DELIMITED:
            length, place = _varint(content, place)
        elif kind in (FIXED_64, FIXED_32):
            length = 8 if kind == FIXED_64 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if place + length > len(content):
            raise ValueError("it ends early")
        yield number, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, and the place behind it."""
    value = 0
    for shift in range(LONGEST_VARINT):
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place
    raise ValueError("a number without an end")
