"""Streams: recurrent models that are given their input one time step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._attributes import Fixed, Uncopied
from ._handles import ModelHandle, StreamHandle
from ._ports import Arrays, as_inputs
from ._shown import shown
from .errors import ShapeError

if TYPE_CHECKING:
    from .models import Model


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
        if not isinstance(getattr(model, "_handle", None), ModelHandle):
            raise TypeError(f"a stream is made of a model, best by model.stream(); got {shown(model)}")
        self._handle = StreamHandle(model._handle)
        self._model = model

    def step(self, x: Arrays) -> Any:
        """Advances by one time step: `x` and the output have neither a batch nor a time dimension.

        Many streams advance faster in one call: see `Model.step`.
        """
        inputs = as_inputs(x, "x", self._model._info)
        for array, entry in zip(inputs, self._model._info["inputs"]):
            if array.shape != tuple(entry["step_shape"]):
                raise ShapeError(
                    f"input '{entry['name']}' of one step has shape {array.shape}; expected "
                    f"{tuple(entry['step_shape'])}, without batch and time. Model.step advances many streams at once"
                )
        given = {entry["name"]: array[None] for array, entry in zip(inputs, self._model._info["inputs"])}
        output = self._model.step([self], given)
        return [array[0] for array in output] if isinstance(output, list) else output[0]

    def reset(self) -> None:
        """Goes back to the start of a sequence."""
        self._handle.reset()
