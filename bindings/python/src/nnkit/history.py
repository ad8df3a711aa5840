"""What a fit has recorded."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

from ._attributes import Fixed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History(Fixed):
    """Loss and metric of every epoch of one fit.

    `history.history` is a dictionary of lists: "loss", the metric's name such as "accuracy", and "val_loss",
    "val_accuracy" where there were validation samples. A copy, by `copy` or `pickle`, has lists of its own.
    """

    __slots__ = ("__weakref__", "_history", "_seconds")

    _kind = "a history"

    def __init__(self) -> None:
        self._history: dict[str, list[float]] = {}
        self._seconds: list[float] = []

    @property
    def history(self) -> dict[str, list[float]]:
        """Of every figure, its value after each epoch."""
        return self._history

    @property
    def seconds(self) -> list[float]:
        """How long each epoch took."""
        return self._seconds

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.seconds)

    def append(self, logs: dict[str, float], seconds: float) -> None:
        """Adds one epoch."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self.seconds.append(seconds)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draws the curves of loss and metric, to an image file if one is named: its ending gives the format. Returns
        matplotlib's figure, which a notebook shows and a program can change and save again.

        Raises: ImportError without matplotlib (`pip install nnkit[plot]`); ValueError if no epoch was trained.
        """
        if not self.epochs:
            raise ValueError("there is nothing to plot: no epoch was trained")
        from ._plot import plot_history

        figure = plot_history(self)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restored, (type(self), copy.deepcopy(self.history), list(self.seconds), getattr(self, "__dict__", {}))

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"<nnkit.History: {self.epochs} epochs{', last: ' if last else ''}{last}>"


def _restored(
    kind: type[History], figures: dict[str, Any], seconds: list[float], attributes: dict[str, Any]
) -> History:
    restored = kind.__new__(kind)
    restored._history, restored._seconds = figures, seconds
    if attributes:
        restored.__dict__.update(attributes)
    return restored
