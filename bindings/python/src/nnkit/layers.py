"""The layers, one class for each in the library's catalog.

The classes are made when this module is imported, so that they are those of the library that was loaded. Type
checkers and editors read `layers.pyi`, which the package's build makes from the same catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _catalog
from ._graph import Layer

if TYPE_CHECKING:

    def __getattr__(name: str) -> type[Layer]: ...


__all__ = ["Layer"]
for _entry in _catalog.layer_entries():
    globals()[_entry.class_name] = _catalog.make_class(_entry, Layer, __name__)
    __all__.append(_entry.class_name)
del _entry
