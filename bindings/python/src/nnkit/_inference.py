"""Prediction: sessions, kept from call to call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._catalog import option_text
from ._handles import ModelHandle, SessionHandle, StreamHandle

# Each holds an arena of its own: a program that predicts in many shapes must not keep one for every shape it saw.
MAXIMUM_KEPT_SHAPES = 8


class Sessions:
    """Planned sessions of one model by (batch size, time steps), reused; safe to use from several threads."""

    def __init__(self, model: ModelHandle, info: dict[str, Any]) -> None:
        self._model = model
        self._input_shapes = [tuple(entry["shape"]) for entry in info["inputs"]]
        self._output_shapes = [tuple(entry["shape"]) for entry in info["outputs"]]
        self._output_types = [np.dtype(entry["dtype"]) for entry in info["outputs"]]
        self._step_shapes = [tuple(entry.get("step_shape", ())) for entry in info["outputs"]]
        self._free: OrderedDict[tuple[int, int], list[SessionHandle]] = OrderedDict()

    @contextmanager
    def _borrowed(self, max_batch: int, time: int) -> Iterator[SessionHandle]:
        # A session serves one call at a time: a second thread finds the list empty and makes another session.
        key = (max_batch, time)
        kept = self._free.pop(key, [])
        session = kept.pop() if kept else self._new(max_batch, time)
        if kept:
            self._free.setdefault(key, []).extend(kept)
        try:
            yield session
        finally:
            self._free.setdefault(key, []).append(session)
            self._free.move_to_end(key)
            while len(self._free) > MAXIMUM_KEPT_SHAPES:
                self._free.popitem(last=False)

    def _new(self, max_batch: int, time: int) -> SessionHandle:
        return SessionHandle(self._model, option_text(max_batch=max_batch, max_time=time or None))

    def run(self, inputs: Sequence[NDArray[Any]], batch_size: int) -> list[NDArray[Any]]:
        """The model's outputs for `inputs`, [N, ...] each, computed `batch_size` samples at a time."""
        outputs, time = self.empty_outputs(inputs), self._time(inputs)
        count = len(outputs[0])
        if count == 0 and all(array.shape[:1] == (0,) for array in inputs):
            return outputs
        if not all(map(_matches, inputs, self._input_shapes)):
            size = count or 1  # Whole, so that the library's message has the shape that the program gave.
        else:
            size = max(min(batch_size, count), 1)
        with self._borrowed(size, time) as session:
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
        time = self._time(inputs)
        return [
            np.empty((count, *(time if size == -1 else size for size in shape)), dtype)
            for shape, dtype in zip(self._output_shapes, self._output_types)
        ]

    def step(self, streams: Sequence[StreamHandle], inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of one time step of `streams`, for `inputs`, [n, ...] each without time."""
        outputs = [
            np.empty((len(streams), *shape), dtype) for shape, dtype in zip(self._step_shapes, self._output_types)
        ]
        with self._borrowed(max(len(streams), 1), 0) as session:
            session.step(streams, inputs, outputs)
        return outputs

    def _time(self, inputs: Sequence[NDArray[Any]]) -> int:
        """The size of the open time dimension in `inputs`; 0 if there is none."""
        for array, shape in zip(inputs, self._input_shapes):
            for axis, size in enumerate(shape, start=1):
                if size == -1 and axis < array.ndim:
                    return int(array.shape[axis])
        return 0


def _matches(array: NDArray[Any], shape: tuple[int, ...]) -> bool:
    return array.ndim == len(shape) + 1 and all(size in (-1, actual) for size, actual in zip(shape, array.shape[1:]))
