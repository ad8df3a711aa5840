"""A model's parameters, or its gradients, as NumPy arrays by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import refuse_masks
from ._attributes import Fixed
from ._shown import shown


class Weights(Fixed, Mapping[str, NDArray[np.float32]]):
    """A mapping from parameter names, such as "dense/kernel", to arrays that show the library's memory in place.

    Reading an array reads the parameter as it is now, and writing to it changes the model:
    `model.weights["dense/bias"][:] = 0`. The arrays keep the model's memory alive.

    A copy, by `copy` or `pickle`, has the values of that moment and belongs to no model.
    """

    __slots__ = ("__weakref__", "_buffer", "_parameters")

    _kind = "a model's weights"

    def __init__(self, buffer: NDArray[np.float32], parameters: list[dict[str, Any]]) -> None:
        self._buffer = buffer
        self._parameters = {parameter["name"]: parameter for parameter in parameters}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        parameter = self._parameters.get(name)
        if parameter is None:
            raise KeyError(f"{shown(name)}; the parameters are {', '.join(self._parameters) or 'none'}")
        start = parameter["offset"]
        array: NDArray[np.float32] = self._buffer[start : start + parameter["count"]].reshape(parameter["shape"])
        return array

    def __setitem__(self, name: str, value: Any) -> None:
        array = self[name]
        refuse_masks(value, repr(name))
        if np.shape(value) not in (array.shape, ()):
            raise ValueError(f"{name!r} has shape {array.shape}, got a value of shape {np.shape(value)}")
        array[...] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Weights, (self._buffer.copy(), list(self._parameters.values()))

    def __repr__(self) -> str:
        lines = [f"  {name!r}: {tuple(parameter['shape'])}" for name, parameter in self._parameters.items()]
        return "\n".join(["Weights({", *(line + "," for line in lines), "})"])
