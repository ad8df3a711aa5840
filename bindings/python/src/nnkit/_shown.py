"""Values in messages."""

from __future__ import annotations

import reprlib
from typing import Any


class _Short(reprlib.Repr):
    """Says what arrays are and not what is in them; cuts everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = self.maxdeque = 4
        self.maxstring = self.maxlong = self.maxother = 60

    def repr1(self, x: Any, level: int) -> str:
        shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
        if isinstance(shape, tuple) and shape and dtype is not None:
            return f"an array of shape {shape}, {dtype}"
        return super().repr1(x, level)


_short = _Short()


def shown(value: object) -> str:
    """`value` as messages show it: in one line, and never the whole of an array."""
    return " ".join(_short.repr(value).split())
