"""What a model takes and gives, and a program's arrays as that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import ArrayLike, NDArray

from . import _ffi
from ._arrays import as_floats, as_integers

Arrays: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]


DTYPES = {"float32": _ffi.FLOAT32, "int32": _ffi.INT32}
"""The element types of a model's inputs and outputs."""

DTYPE_NAMES = {number: name for name, number in DTYPES.items()}


class Port(NamedTuple):
    """An input or an output of a model."""

    name: str
    """By which a dictionary of arrays names it."""
    dtype: str
    """"float32" or "int32"."""
    shape: tuple[int | None, ...]
    """Of one sample, without the batch; None is an open time dimension."""


def open_as_none(shape: Sequence[int]) -> tuple[int | None, ...]:
    """A shape of the library, whose open sizes are -1."""
    return tuple(None if size == -1 else size for size in shape)


def as_inputs(x: Any, what: str, info: dict[str, Any]) -> list[NDArray[Any]]:
    """`x` as one array for each input of the model that `info` describes; `what` names it in messages."""
    entries = info["inputs"]
    names = [entry["name"] for entry in entries]
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise ValueError(f"{what}: the model's inputs are {', '.join(names)}; got {', '.join(map(str, x))}")
        given = [x[name] for name in names]
    elif len(entries) == 1:
        # A list of one array, as of several inputs, where it could not be the list of samples.
        listed = (
            isinstance(x, (list, tuple)) and len(x) == 1 and getattr(x[0], "ndim", 0) == len(entries[0]["shape"]) + 1
        )
        given = list(x) if listed else [x]
    elif isinstance(x, (list, tuple)) and len(x) == len(entries):
        given = list(x)
    else:
        raise ValueError(f"{what}: the model has {len(entries)} inputs ({', '.join(names)}): give a list of as many")
    convert = {"float32": as_floats, "int32": as_integers}
    return [
        convert[entry["dtype"]](array, what if len(entries) == 1 else f"{what}, input '{entry['name']}'")
        for entry, array in zip(entries, given)
    ]
