"""Attributes that somebody reads, and no others."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, ClassVar

_FREEZING = (
    "parameters are frozen and trained again by name once the model is compiled: model.freeze('<layer>/*'), "
    "model.unfreeze('<layer>/*')"
)

_CLIPPING = "the norm of all gradients together is limited by the model: model.clip_norm = 1, once it is compiled"

# What other libraries have, and what to do here instead: said when a program sets it.
_ELSEWHERE = {
    "lr": "the learning rate is model.optimizer.learning_rate",
    "learning_rate": "the learning rate is model.optimizer.learning_rate",
    "trainable": _FREEZING,
    "requires_grad": _FREEZING,
    "training": "fit and train_on_batch train, predict and evaluate do not; there is no mode to set",
    "weights": "write in place: model.weights[name][...] = values",
    "kernel": "write in place: model.weights['<layer>/kernel'][...] = values",
    "bias": "write in place: model.weights['<layer>/bias'][...] = values",
    "gradients": "write in place: model.gradients[name][...] = values",
    "grad": "gradients are in model.gradients, by parameter name",
    "optimizer": "compile sets the optimizer",
    "loss": "compile sets the loss",
    "metrics": "compile sets the metrics",
    "clip_norm": _CLIPPING,
    "clipnorm": _CLIPPING,
    "global_clipnorm": _CLIPPING,
    "input_shape": "shapes are given when a model is made",
    "output_shape": "shapes follow from the layers",
    "dtype": "an input's type is given to nn.Input or Sequential; everything is computed in float32",
    "layers": "a model's layers are given when it is made",
    "seed": "the seed is given when a model is made",
    "runtime": "the runtime is given when a model is made",
    "threads": "the number of threads is given when a runtime is made: nn.Runtime(threads=2)",
    "stop_training": "a callback of fit that returns True ends the fit",
}


class Fixed:
    """An object on which only its own attributes can be set: any other would be accepted and do nothing.

    A class that a program derives may have attributes of its own, except those that mean something in other libraries.
    """

    __slots__ = ()

    _kind: ClassVar[str] = "an object of this class"
    _hints: ClassVar[Mapping[str, str]] = {}
    """For names of other libraries, what to do here instead, where it is not what `_ELSEWHERE` says."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._can_set(name):
            raise AttributeError(self._refusal(name))
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if not (hasattr(self, "__dict__") and name in self.__dict__):
            raise AttributeError(f"{type(self).__name__}: the attribute '{name}' cannot be deleted")
        object.__delattr__(self, name)

    def _can_set(self, name: str) -> bool:
        found = getattr(type(self), name, None)
        if isinstance(found, property):
            return found.fset is not None
        # What is left are slots, and what a derived class defines.
        return hasattr(type(found), "__set__") or (hasattr(self, "__dict__") and name not in _ELSEWHERE)

    def _refusal(self, name: str) -> str:
        """Why setting `name` is refused, and what to do."""
        kind = type(self)
        own = [each for each in dir(kind) if not each.startswith("_")]
        settable = [each for each in own if self._can_set(each)]
        if name in own:
            reason = f"'{name}' of {self._kind} cannot be set"
        else:
            reason = f"{self._kind} has no attribute '{name}', and setting it would change nothing"
        near = difflib.get_close_matches(name, settable, 1)
        known = self._hints.get(name) or _ELSEWHERE.get(name)
        if near:
            hint = f"did you mean '{near[0]}'?"
        elif known:
            hint = known
        else:
            hint = f"what can be set: {', '.join(settable) or 'nothing'}"
        return f"{kind.__name__}: {reason}; {hint}"


class Uncopied:
    """An object of which there can be no copy."""

    __slots__ = ()

    _why_uncopied: ClassVar[str] = "it belongs to this process"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} objects cannot be copied or pickled: {self._why_uncopied}")
