"""Read a pickle of arrays without running it: a small machine for the opcodes that arrays need, and no others.

Python's own unpickler imports and calls whatever a file names. Here nothing that a file names is imported or called:
the names below make records of ours, and any other name or opcode is refused. `pickletools` only cuts the bytes into
opcodes, which are documented there; what PyTorch writes is told by its ``torch/serialization.py``.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

MOST_OPCODES = 2_000_000  # a checkpoint of 300 tensors has 11,000
MOST_BYTES_MADE = 1_000_000_000
MOST_AXES = 32

VALUES = (
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], object]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
SAY_NOTHING = ("PROTO", "FRAME")

DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
BFLOAT16 = "bfloat16"  # NumPy has none: read as whole numbers, then widened
STORAGES = {
    "torch HalfStorage": "f2",
    "torch FloatStorage": "f4",
    "torch DoubleStorage": "f8",
    "torch BFloat16Storage": BFLOAT16,
    "torch CharStorage": "i1",
    "torch ShortStorage": "i2",
    "torch IntStorage": "i4",
    "torch LongStorage": "i8",
    "torch ByteStorage": "u1",
    "torch BoolStorage": "b1",
}
NDARRAY = "numpy ndarray"


class NotArraysError(ValueError):
    """A file holds something else than arrays, or is damaged; the message says what, and not where."""


@dataclass(frozen=True)
class Name:
    """What a file names, ``module name``: one of `NAMES`, and never more than these words."""

    text: str


@dataclass
class PickledDtype:
    """A type of numbers: NumPy's code, as ``f4``, and the order of the bytes."""

    code: str
    order: str = "|"


@dataclass
class PickledArray:
    """A NumPy array, whose values come after the record of it."""

    values: Array | None = None


@dataclass(frozen=True)
class Storage:
    """PyTorch's numbers ``key`` in a row: their type, a value of `STORAGES`, and how many there are."""

    key: str
    dtype: str
    size: int


@dataclass(frozen=True)
class TensorView:
    """A PyTorch tensor: where in a storage its values lie, counted in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Unpickled:
    """What a pickle holds, and the storages that are named anywhere in it, by their keys.

    ``tree`` is made of dicts, lists, tuples, numbers, texts, bytes, `PickledArray` and `TensorView`.
    """

    tree: object
    storages: dict[str, Storage]


MARK = Name("mark")

T = TypeVar("T")


def read_pickle(stream: BinaryIO) -> Unpickled:
    """Read one pickle from ``stream``, which then stands behind it.

    Raises `NotArraysError`, or another `ValueError`, where it is damaged, too long, or holds anything but arrays.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= MOST_OPCODES:
                raise NotArraysError(f"more than {MOST_OPCODES} steps")
            machine.step(opcode.name, argument)
        return Unpickled(machine.stack.pop(), machine.storages)
    except (LookupError, TypeError, OverflowError, MemoryError) as error:
        raise NotArraysError(f"a damaged pickle, {type(error).__name__}") from error


class _Machine:
    """The stack and the memo of a pickle that is being read."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.memo: dict[object, object] = {}
        self.storages: dict[str, Storage] = {}
        self.bytes_made = 0

    def step(self, name: str, argument: object) -> None:
        """Do one opcode."""
        if name in VALUES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in EMPTY:
            self.stack.append(EMPTY[name]())
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name not in (*SAY_NOTHING, "STOP"):
            self._join(name, argument)

    def _join(self, name: str, argument: object) -> None:
        """The opcodes that make one thing of several."""
        stack = self.stack
        if name == "MARK":
            stack.append(MARK)
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name in TUPLES:
            items = [stack.pop() for _ in range(TUPLES[name])]
            stack.append(tuple(items[::-1]))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._to_mark()
            _is(list, stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self._to_mark()
            for key, value in zip(items[::2], items[1::2], strict=True):
                _is(dict, stack[-1])[_key(key)] = value
        elif name == "GLOBAL":
            stack.append(_name(str(argument)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_name(f"{_is(str, module)} {_is(str, attribute)}"))
        elif name == "REDUCE":
            arguments, called = _is(tuple, stack.pop()), _is(Name, stack.pop())
            self._push_made(_make(called.text, arguments))
        elif name == "BUILD":
            state = stack.pop()
            _fill(stack[-1], state)
        elif name == "BINPERSID":
            storage = _storage(stack.pop())
            self.storages[storage.key] = storage
            stack.append(storage)
        else:
            raise NotArraysError(f"its step {name} is not one that arrays need; nothing was run")

    def _push_made(self, made: object) -> None:
        """Push what a call gave; a text that is turned into bytes again and again would fill the memory."""
        self.bytes_made += len(made) if isinstance(made, bytes) else 0
        if self.bytes_made > MOST_BYTES_MADE:
            raise NotArraysError(f"more than {MOST_BYTES_MADE} bytes kept as text")
        self.stack.append(made)

    def _to_mark(self) -> list[object]:
        items: list[object] = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]


def _is(kind: type[T], found: object) -> T:
    if not isinstance(found, kind) or isinstance(found, bool):
        raise NotArraysError(f"a damaged pickle: {type(found).__name__} where {kind.__name__} was expected")
    return found


def _key(found: object) -> str | int:
    """A key of a dict; a tuple's hash may take for ever."""
    return found if isinstance(found, int) else _is(str, found)


def _name(text: str) -> Name:
    if text not in NAMES:
        raise NotArraysError(f"it names {text.replace(' ', '.')[:80]}, which is not an array; nothing was run")
    return Name(text)


def _make(name: str, arguments: tuple[object, ...]) -> object:
    """What the function of this name would make of these arguments, as a record."""
    if name not in MAKERS:
        raise NotArraysError(f"a damaged pickle: {name.replace(' ', '.')} is called")
    return MAKERS[name](*arguments)


def _fill(made: object, state: object) -> None:
    """Give a record what comes after it: an array its values, a type its order; a dict's attributes are left out."""
    if isinstance(made, PickledArray):
        _, shape, dtype, fortran, data = _is(tuple, state)
        made.values = _array(data, _is(PickledDtype, dtype), shape, bool(fortran))
    elif isinstance(made, PickledDtype):
        made.order = _is(str, _is(tuple, state)[1])
    else:
        _is(dict, made)


def _empty_array(*_: object) -> PickledArray:
    return PickledArray()


def _array_from_buffer(data: object, dtype: object, shape: object, order: object) -> PickledArray:
    return PickledArray(_array(data, _is(PickledDtype, dtype), shape, order == "F"))


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> TensorView:
    return TensorView(_is(Storage, storage), _count(offset), _counts(shape), _counts(strides))


def _parameter(tensor: object, *_: object) -> TensorView:
    return _is(TensorView, tensor)


def _encoded(text: object, encoding: object) -> bytes:
    """The bytes that an old pickle holds as text, each a letter."""
    if encoding != "latin1":
        raise NotArraysError("a damaged pickle: bytes in an unknown encoding")
    return _is(str, text).encode("latin1")


def _ordered_dict() -> dict[object, object]:
    return {}


def _no_bytes() -> bytes:
    return b""


def _dtype(code: object, *_: object) -> PickledDtype:
    name = _is(str, code)
    if name not in DTYPES:
        raise NotArraysError(f"an array of {name[:20]}; expected numbers")
    return PickledDtype(name)


def _array(data: object, dtype: PickledDtype, shape: object, fortran: bool) -> Array:
    if dtype.order not in ("<", ">", "=", "|"):
        raise NotArraysError("a damaged pickle: an array's byte order is none")
    if not isinstance(data, bytes | bytearray):
        raise NotArraysError("a damaged pickle: an array without its bytes")
    numbers: Array = np.frombuffer(data, np.dtype(dtype.order + dtype.code))
    return numbers.reshape(_counts(shape), order="F" if fortran else "C")


def _storage(persistent: object) -> Storage:
    """The storage in ``("storage", type, key, device, size)``; older files add the view of another storage, or None."""
    word, kind, key, _, size, *view = _is(tuple, persistent)
    if word != "storage" or view not in ([], [None]):
        raise NotArraysError("a tensor whose numbers are kept in a way that is not known")
    name = _is(Name, kind).text
    if name not in STORAGES:
        raise NotArraysError(f"a damaged pickle: {name.replace(' ', '.')} where a storage was expected")
    return Storage(_is(str, key), STORAGES[name], _count(size))


def _count(found: object) -> int:
    number = _is(int, found)
    if not 0 <= number < 2**40:
        raise NotArraysError(f"a damaged pickle: {number} where a size was expected")
    return number


def _counts(found: object) -> tuple[int, ...]:
    numbers = _is(tuple, found)
    if len(numbers) > MOST_AXES:
        raise NotArraysError(f"an array of {len(numbers)} axes; expected at most {MOST_AXES}")
    return tuple(_count(number) for number in numbers)


MAKERS: dict[str, Callable[..., object]] = {
    "numpy.core.multiarray _reconstruct": _empty_array,
    "numpy._core.multiarray _reconstruct": _empty_array,
    "numpy.core.numeric _frombuffer": _array_from_buffer,
    "numpy._core.numeric _frombuffer": _array_from_buffer,
    "numpy dtype": _dtype,
    "_codecs encode": _encoded,
    "__builtin__ bytes": _no_bytes,
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
"""What a pickle may call, and what is done instead: every one of these makes a record of ours."""

NAMES = frozenset({NDARRAY, *STORAGES, *MAKERS})
