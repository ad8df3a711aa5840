"""The optimizers, one class for each in the library's catalog, made when this module is imported.

Type checkers and editors read `optimizers.pyi`, which the package's build makes from the same catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _catalog

if TYPE_CHECKING:

    def __getattr__(name: str) -> type[Optimizer]: ...


class Optimizer(_catalog.Described):
    """An optimizer and its options."""


__all__ = ["Optimizer"]
for _entry in _catalog.optimizer_entries():
    globals()[_entry.class_name] = _catalog.make_class(_entry, Optimizer, __name__)
    __all__.append(_entry.class_name)
del _entry
