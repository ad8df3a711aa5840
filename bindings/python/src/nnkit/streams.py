"""Streams: recurrent models that are given their input one time step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ._attributes import Fixed, Uncopied
from ._handles import StreamHandle

if TYPE_CHECKING:
    from .models import Arrays, Model


class Stream(Uncopied, Fixed):
    """The recurrent state of one running sequence; `Model.stream` makes one. It cannot be copied or pickled.

    stream = model.stream()
    for sample in sensor:
        print(stream.step(sample))
    """

    __slots__ = ("__weakref__", "_handle", "_model")

    _kind = "a stream"
    _why_uncopied = (
        "the state of a running sequence cannot be taken out of it. Make a new stream with model.stream(), which is at "
        "the start of a sequence; models can be copied and pickled"
    )

    def __init__(self, model: Model) -> None:
        self._handle = StreamHandle(model._handle)
        self._model = model

    def step(self, x: Arrays) -> Any:
        """Advances by one time step: `x` and the output have neither a batch nor a time dimension.

        Many streams advance faster in one call: see `Model.step`.
        """
        inputs = self._model._info["inputs"]
        if isinstance(x, Mapping):
            given: Any = {name: np.asarray(value)[np.newaxis] for name, value in x.items()}
        elif len(inputs) > 1 and isinstance(x, (list, tuple)):
            given = [np.asarray(value)[np.newaxis] for value in x]
        else:
            given = np.asarray(x)[np.newaxis]
        output = self._model.step([self], given)
        return [array[0] for array in output] if isinstance(output, list) else output[0]

    def reset(self) -> None:
        """Goes back to the start of a sequence."""
        self._handle.reset()
