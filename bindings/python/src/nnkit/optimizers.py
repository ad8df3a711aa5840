"""The optimizers, one class for each in the library's catalog, made when this module is imported.

Type checkers and editors read `optimizers.pyi`, which the package's build makes from the same catalog.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from . import _catalog
from ._handles import TrainerHandle

if TYPE_CHECKING:

    def __getattr__(name: str) -> type[Optimizer]: ...


class Optimizer(_catalog.Described):
    """An optimizer and its options, which are attributes.

    `compile` takes the options as they are and makes an optimizer of the model's own, `model.optimizer`, whose options
    can be set at any time: the next step uses them. The object that was given to `compile` can be given to other models
    as well, but cannot be changed any more. A copy, by `copy` or `pickle`, has the options as they are at that moment
    and belongs to no model; what the optimizer remembers of earlier steps is copied with its model.
    """

    __slots__ = ("_fixed", "_trainer")

    _kind = "an optimizer"
    _hints = MappingProxyType({"lr": "did you mean 'learning_rate'?"})

    def _set_up(self, given: Mapping[str, Any]) -> None:
        super()._set_up(given)
        self._trainer: TrainerHandle | None = None
        self._fixed: str | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that were given or set, by name; not to be written to."""
        trainer = self._trainer
        if trainer is not None:
            for name, value in list(self._options.items()):  # Another thread may set one.
                self._options[name] = type(value)(trainer.get(name))
        return super().options

    def _set_option(self, option: _catalog.Option, value: Any) -> None:
        owner, name = self._entry.class_name, option.name
        if self._fixed is not None:
            raise AttributeError(f"{owner}: '{name}' cannot be set: {self._fixed}")
        value = option.checked(option.default if value is None else value, owner)
        trainer = self._trainer
        if trainer is not None:
            trainer.set(f"{name}={_catalog.value_text(value)}")
        self._options[name] = value

    def _of_model(self, trainer: TrainerHandle) -> Optimizer:
        """The optimizer of a model that is compiled with this one."""
        own = copy.copy(self)
        own._trainer = trainer
        if self._trainer is None:
            self._fixed = (
                "compile has taken its options. Set it on model.optimizer, or make a new optimizer for another model"
            )
        return own

    def _retire(self) -> None:
        """The model has been compiled again."""
        self._options = dict(self.options)
        self._trainer = None
        self._fixed = "its model was compiled again. Set it on model.optimizer"


KINDS: dict[str, Any] = {}
"""The classes by the catalog's names."""

__all__ = ["Optimizer"]
for _entry in _catalog.optimizer_entries():
    globals()[_entry.class_name] = KINDS[_entry.kind] = _catalog.make_class(_entry, Optimizer, __name__)
    __all__.append(_entry.class_name)
del _entry
