"""Read pickles of arrays from outside without running a line that they ask for.

A pickle is a program: it names functions and calls them. Here the few names that pickles of NumPy
arrays use stand for small inert classes of this module, and every other name is an error. Not
even NumPy's own functions are handed over: `numpy.ndarray` called by a pickle can lay an array of
pointers over bytes of its choice. The arrays are built afterwards, from bytes and a type of plain
numbers.
"""

from __future__ import annotations

import pickle
import re
from io import BytesIO
from typing import Any

import numpy as np


class _Bytes:
    """Stands for `_codecs.encode` and `bytes`, by which Python 3 writes bytes in old protocols."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, text: str = "", encoding: str = "latin1") -> None:
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
        self.value = text.encode("latin1")

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("bytes with a state")


class _Type:
    """Stands for `numpy.dtype`: booleans, integers and floating-point numbers alone."""

    __slots__ = ("code", "order")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, code: str, align: object = False, copy: object = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]", code):
            raise pickle.UnpicklingError(f"an array of the type {code!r}, no plain number")
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError(f"a type of number with the state {state!r}")
        self.order = state[1]

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


class _Array:
    """Stands for `numpy.core.multiarray._reconstruct`: an array whose content comes as a state."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: object, shape: object, code: object) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_column, content = state
        self.value = _array(content, kind, shape, "F" if by_column else "C")


class _Buffer:
    """Stands for `numpy.core.numeric._frombuffer`, by which protocol 5 writes arrays."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, content: object, kind: object, shape: object, order: str) -> None:
        self.value = _array(content, kind, shape, order)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a buffer with a state")


_STANDS_FOR: dict[str, object] = {
    "_codecs.encode": _Bytes,
    "__builtin__.bytes": _Bytes,
    "numpy.dtype": _Type,
    "numpy.ndarray": "numpy.ndarray",
} | {
    f"numpy.{core}.{name}": kind
    for core in ("core", "_core")
    for name, kind in (("multiarray._reconstruct", _Array), ("numeric._frombuffer", _Buffer))
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        asked = f"{module}.{name}"
        if asked not in _STANDS_FOR:
            raise pickle.UnpicklingError(f"it asks for {asked}, which it does not get")
        return _STANDS_FOR[asked]


def unpickle(content: bytes, where: str) -> Any:
    """Return what a pickle of dicts, lists, tuples, plain values and arrays of numbers holds.

    Text and bytes that Python 2 wrote come back as text, each byte one character (latin-1).
    Arrays are fresh and writable. Nothing that the pickle names is imported or called; it can
    still ask for much memory, as any file can.

    content: the file's bytes. where: what to call it in an error.
    ValueError when it asks for anything else, or is cut, damaged or no pickle at all.
    """
    try:
        held = _Reader(BytesIO(content), encoding="latin1").load()
        return _plain(held, {})
    except (
        pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, ImportError, LookupError,
        MemoryError, RecursionError, TypeError, ValueError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"{where}: no readable pickle of plain values and arrays of numbers "
            f"({str(error).strip() or type(error).__name__}). Nothing in it was run. "
            "Delete the file and fetch it again from its authors."
        ) from error


def _array(content: object, kind: object, shape: object, order: str) -> np.ndarray:
    """Return an array from its bytes; ValueError when these do not fit type and shape."""
    if isinstance(content, _Bytes):
        content = content.value
    elif isinstance(content, str):
        content = content.encode("latin1")
    if not isinstance(content, bytes | bytearray) or not isinstance(kind, _Type):
        raise pickle.UnpicklingError("an array that is not bytes of one type of number")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise pickle.UnpicklingError(f"an array of the shape {shape!r}")
    flat = np.frombuffer(bytearray(content), kind.dtype())
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _plain(held: Any, seen: dict[int, tuple[Any, Any]]) -> Any:
    """Return `held` with arrays and bytes in the place of what stood for them.

    seen: id -> object and what it became. It keeps the object alive, and its id with it.
    """
    if isinstance(held, _Array | _Bytes | _Buffer):
        if held.value is None:
            raise pickle.UnpicklingError("an array without content")
        return held.value
    if id(held) in seen:
        return seen[id(held)][1]
    if isinstance(held, list | dict):
        seen[id(held)] = (held, held)
        places = held.items() if isinstance(held, dict) else enumerate(held)
        for place, value in list(places):
            held[place] = _plain(value, seen)
    elif isinstance(held, tuple):
        seen[id(held)] = (held, tuple(_plain(value, seen) for value in held))
        return seen[id(held)][1]
    elif not isinstance(held, bool | int | float | complex | str | bytes | bytearray | None):
        raise pickle.UnpicklingError(f"a {type(held).__name__}")
    return held
