"""Prediction: sessions, kept from call to call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._catalog import option_text
from ._handles import ModelHandle, SessionHandle, StreamHandle

# Each holds an arena of its own: a program that predicts in many shapes must not keep one for every shape it saw.
MAXIMUM_KEPT_SHAPES = 8

_Key: TypeAlias = "tuple[int, tuple[int, ...]]"


class Sessions:
    """Planned sessions of one model by batch size and time steps, reused; safe to use from several threads."""

    def __init__(self, model: ModelHandle, info: dict[str, Any]) -> None:
        self._model = model
        self._input_shapes = [tuple(entry["shape"]) for entry in info["inputs"]]
        self._output_shapes = [tuple(entry["shape"]) for entry in info["outputs"]]
        self._output_types = [np.dtype(entry["dtype"]) for entry in info["outputs"]]
        positions = {entry["name"]: index for index, entry in enumerate(info["inputs"])}
        # Of each output: the input whose sizes its open dimensions have.
        self._open_as = [positions.get(entry.get("open_as")) for entry in info["outputs"]]
        self._step_shapes = [tuple(entry.get("step_shape", ())) for entry in info["outputs"]]
        # Each access is one operation that Python does not divide. A lock would be held where a process forks, or where
        # the handler of a signal predicts.
        self._free: OrderedDict[_Key, list[SessionHandle]] = OrderedDict()

    @contextmanager
    def _borrowed(self, max_batch: int, sizes: tuple[int, ...] = ()) -> Iterator[SessionHandle]:
        # A session serves one call at a time: a second thread finds none that is free and makes another.
        key = (max_batch, sizes)
        try:
            session = self._free[key].pop()
        except LookupError:
            session = SessionHandle(self._model, option_text(max_batch=max_batch))
        try:
            yield session
        finally:
            # Where another thread drops the list meanwhile, the session goes with it.
            self._free.setdefault(key, []).append(session)
            with suppress(KeyError):
                self._free.move_to_end(key)
            with suppress(KeyError):
                while len(self._free) > MAXIMUM_KEPT_SHAPES:
                    self._free.popitem(last=False)

    def run(self, inputs: Sequence[NDArray[Any]], batch_size: int) -> list[NDArray[Any]]:
        """The model's outputs for `inputs`, [N, ...] each, computed `batch_size` samples at a time."""
        outputs = self.empty_outputs(inputs)
        count = len(outputs[0])
        if count == 0 and all(array.shape[:1] == (0,) for array in inputs):
            return outputs
        if not all(map(_matches, inputs, self._input_shapes)):
            size = count or 1  # Whole, so that the library's message has the shape that the program gave.
        else:
            size = max(min(batch_size, count), 1)
        with self._borrowed(size, self._open_sizes(inputs)) as session:
            # One pass at least, so that the library reports inputs whose first axis is missing.
            for start in range(0, max(count, 1), size):
                stop = start + size
                # Inputs of other lengths must not be cut to fit: what is too long goes in whole at the last batch.
                batch = [array[start : None if stop >= count else stop] if array.ndim else array for array in inputs]
                session.run(batch, [array[start:stop] for array in outputs])
        return outputs

    def empty_outputs(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Arrays for the model's outputs for `inputs`."""
        count = inputs[0].shape[0] if inputs[0].ndim else 0
        return [
            np.empty((count, *_closed(shape, None if position is None else inputs[position])), dtype)
            for shape, dtype, position in zip(self._output_shapes, self._output_types, self._open_as)
        ]

    def step(self, streams: Sequence[StreamHandle], inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of one time step of `streams`, for `inputs`, [n, ...] each without time."""
        outputs = [
            np.empty((len(streams), *shape), dtype) for shape, dtype in zip(self._step_shapes, self._output_types)
        ]
        with self._borrowed(max(len(streams), 1)) as session:
            session.step(streams, inputs, outputs)
        return outputs

    def _open_sizes(self, inputs: Sequence[NDArray[Any]]) -> tuple[int, ...]:
        """The sizes of the inputs' open dimensions, in order: with the batch, what a plan is made for."""
        return tuple(
            actual
            for array, shape in zip(inputs, self._input_shapes)
            for size, actual in zip(shape, array.shape[1:])
            if size == -1
        )


def _closed(shape: tuple[int, ...], array: NDArray[Any] | None) -> tuple[int, ...]:
    """`shape`, its open dimensions as `array` has them, [N, ...]; 0 where it has none."""
    actual = () if array is None else array.shape[1:]
    return tuple(size if size != -1 else actual[axis] if axis < len(actual) else 0 for axis, size in enumerate(shape))


def _matches(array: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return array.ndim == len(shape) + 1 and all(size in (-1, actual) for size, actual in zip(shape, array.shape[1:]))
